"""What `Redaction` masks by itself: one rule for each kind, in time linear in the text.

A rule finds candidates with a regular expression that cannot backtrack far, then checks them: a
card number by its issuer and checksum, an IBAN by its country's length and checksum, an IP address
by `ipaddress`. Letters mean ASCII letters where they decide whether a number stands alone: Chinese
puts no space around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from phospho.redaction.accounts import mask_cards, mask_ibans
from phospho.redaction.addresses import mask_emails, mask_ip_addresses
from phospho.redaction.keys import mask_secrets
from phospho.redaction.masks import GAP, Mask
from phospho.redaction.phones import mask_international_phones, mask_phones

# Takes a text and what returns masks; returns the text with all of its kind masked.
Rule = Callable[[str, Mask], str]

# No e-mail address, number or secret is shorter.
SHORTEST_CHARS = 5

# In the order in which they are applied: what is assigned to a password may look like an address.
RULES: Mapping[str, Rule] = {
    "SECRET": mask_secrets,
    "EMAIL_ADDRESS": mask_emails,
    "IBAN_CODE": mask_ibans,
    "CREDIT_CARD": mask_cards,
    "IP_ADDRESS": mask_ip_addresses,
    "PHONE_NUMBER": mask_phones,
}

# Of these, none is in a text without `has_long_number`.
LONG_NUMBERS = frozenset({"CREDIT_CARD", "PHONE_NUMBER"})

# An id is often a bare number, which may look like a national telephone number.
RULES_IN_IDS: Mapping[str, Rule] = {**RULES, "PHONE_NUMBER": mask_international_phones}


def has_long_number(text: str) -> bool:
    """Tell whether a text may hold a card or telephone number."""
    return _LONG_NUMBER.search(text) is not None


# Seven digits, together or nearly: prose seldom has them.
_LONG_NUMBER = re.compile(rf"[0-9](?:[{GAP}.()/]{{0,3}}[0-9]){{6}}")
