"""Punctuation marks and other signs by their names."""

# Typographic and foreign characters are what is looked for.
# ruff: noqa: RUF001

from __future__ import annotations

from phospho.detectors.naming import Named, sign

SIGNS: tuple[Named, ...] = (
    sign("question mark, query mark, interrogation mark, questionmark", r"[?？؟]"),
    sign("exclamation mark, exclamation point, exclamation sign", r"[!！]"),
    sign("full stop, period, dot, fullstop", r"[.。]"),
    sign("ellipsis, three dot, ellipse", r"…|\.{3}"),
    sign("comma", r"[,，、]"),
    sign("semicolon, semi colon", r"[;；]"),
    sign("colon", r"[:：]"),
    sign("em dash, en dash, long dash", r"[—–]"),
    sign("hyphen, dash", r"[-‐‑–—−]"),
    sign("apostrophe", r"['’]"),
    sign(
        "quotation mark, quote mark, inverted comma, double quote, speech mark",
        r"[\"“”„«»]",
    ),
    sign("parenthesis, round bracket, parenthese", r"[()]"),
    sign("square bracket", r"[\[\]]"),
    sign("bracket", r"[()\[\]]"),
    sign("curly brace, brace, curly bracket", r"[{}]"),
    sign("asterisk, star symbol", r"\*"),
    sign("ampersand", r"&"),
    sign("at sign, at symbol", r"@"),
    sign("hash sign, hash symbol, pound key, number sign", r"#"),
    sign("percent sign, percentage sign, percent symbol", r"[%％]"),
    sign("dollar sign, dollar symbol", r"\$"),
    sign("euro sign, euro symbol", r"€"),
    sign("pound sign, pound symbol", r"£"),
    sign("underscore", r"_"),
    sign("backslash, back slash", r"\\"),
    sign("slash, forward slash", r"/"),
    sign("pipe, vertical bar, pipe character", r"\|"),
    sign("plus sign, plus symbol", r"\+"),
    sign("equal sign", r"="),
    sign("backtick, backquote", r"`"),
    sign("tilde", r"~"),
    sign("underline", r"_"),
)
