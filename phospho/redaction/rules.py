"""What `Redaction` masks by itself: some finders for each kind, in time linear in the text.

A finder looks for candidates with a regular expression that cannot backtrack far, then checks them:
a card number by its issuer and checksum, an IBAN by its country's length and checksum, an IP
address by `ipaddress`. Letters mean ASCII letters where they decide whether a number stands alone:
Chinese puts no space around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from phospho.redaction import phones
from phospho.redaction.accounts import find_cards, find_ibans, find_printed_cards
from phospho.redaction.addresses import find_emails, find_ipv4, find_ipv6
from phospho.redaction.assigned import find_assigned
from phospho.redaction.keys import (
    find_credentials,
    find_keys,
    find_passwords_in_urls,
    find_private_keys,
)
from phospho.redaction.masks import GAP, Finder, Mask

if TYPE_CHECKING:
    from phospho.redaction.reading import Page


class Rule(NamedTuple):
    """How one kind is found.

    Args:
        finders: They are asked one after the other; each sees what those before it have masked.
        is_number: Whether it is looked for where a text is read for numbers.
        is_long_number: Whether it has seven digits or more.
    """

    finders: tuple[Finder, ...]
    is_number: bool = False
    is_long_number: bool = False

    def mask(self, page: Page, mask: Mask) -> None:
        """Mask all of this kind."""
        if self.is_long_number and not _LONG_NUMBER.search(page.read_numbers().text):
            return
        for find in self.finders:
            reading = page.read_numbers() if self.is_number else page.read_words()
            page.mask(reading, find, mask)


# No e-mail address, number or secret is shorter.
SHORTEST_CHARS = 5

# Seven digits, together or nearly: prose seldom has them.
_LONG_NUMBER = re.compile(rf"[0-9](?:[{GAP}\s.()/_+]{{0,3}}[0-9]){{6}}")

# In the order in which they are applied: what is assigned to a password may look like an address.
RULES: Mapping[str, Rule] = {
    "SECRET": Rule(
        (find_private_keys, find_passwords_in_urls, find_assigned, find_keys, find_credentials)
    ),
    "EMAIL_ADDRESS": Rule((find_emails,)),
    "IBAN_CODE": Rule((find_ibans,), is_number=True),
    "CREDIT_CARD": Rule((find_cards, find_printed_cards), is_number=True, is_long_number=True),
    "IP_ADDRESS": Rule((find_ipv4, find_ipv6)),
    "PHONE_NUMBER": Rule(
        (phones.find_international, *phones.NATIONAL_FINDERS, phones.find_labelled),
        is_number=True,
        is_long_number=True,
    ),
}

# An id is often a bare number, which may look like a national telephone number.
RULES_IN_IDS: Mapping[str, Rule] = {
    **RULES,
    "PHONE_NUMBER": RULES["PHONE_NUMBER"]._replace(finders=(phones.find_with_plus,)),
}
