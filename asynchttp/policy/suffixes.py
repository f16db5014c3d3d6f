"""Public suffixes: domains such as ``co.uk``, below which strangers live, so that nobody may set a cookie for all of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Second labels below which the registries of countries sell names. There are others: that is what the list is for.
# fmt: off
_SECOND: Final = frozenset({
    "ac", "asn", "biz", "co", "com", "ed", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "govt", "gv", "id", "idv",
    "in", "inf", "info", "ltd", "me", "med", "mil", "muni", "ne", "net", "nhs", "nic", "nom", "or", "org", "plc",
    "police", "pro", "re", "sc", "sch", "school", "web",
})
# fmt: on


def is_public_suffix(domain: str) -> bool:
    """Whether the names below this domain (lower case, ASCII) belong to strangers.

    With the extra ``cookies``, by the list of Mozilla, its private part included (``github.io``); else by `plain_rule`.
    The list is a file that comes with publicsuffixlist: it is read once, at the first question, and nothing is
    fetched. O(labels) after that.

    Example:
        >>> is_public_suffix("co.uk"), is_public_suffix("example.co.uk")
        (True, False)
    """
    return _rule()(domain.removesuffix("."))


def plain_rule(domain: str) -> bool:
    """What can be known without a list: one label, or two like ``co.uk`` and ``com.au``; O(length).

    Example:
        >>> plain_rule("com"), plain_rule("com.au"), plain_rule("example.com"), plain_rule("github.io")
        (True, True, False, False)
    """
    first, _, rest = domain.partition(".")
    return not rest or (len(rest) == 2 and first in _SECOND)


@cache
def _rule() -> Callable[[str], bool]:
    try:
        from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  an extra, and slow to load for who has no cookies
    except ImportError:
        return plain_rule
    # Without the punycode of every international rule, which takes twenty times as long to make: such names are rare.
    listed = PublicSuffixList(accept_encoded_idn=False)

    def rule(domain: str) -> bool:
        try:
            return listed.is_public(domain.encode().decode("idna") if "xn--" in domain else domain)
        except UnicodeError:  # no name at all: nobody may set a cookie there
            return True

    return rule
