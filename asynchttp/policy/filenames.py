"""Names for files that a server or a URL suggests: never a path, never hidden, never one that a system reserves."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_to_bytes

_LONGEST: Final = 180  # bytes; of 255 that a name may have, the rest is for numbers and for the name of its part
_SUFFIX: Final = 20  # bytes of it that are kept of a suffix
#: Windows refuses these whatever follows a dot; a name that is harmless here may be copied there.
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\.|$)", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_FIELD: Final = re.compile(r""";[ \t]*([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))""", re.ASCII)
_ESCAPE: Final = re.compile(r"\\(.)")
_EXTENDED: Final = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.ASCII | re.IGNORECASE)  # RFC 8187, 3.2.1


def suggested_name(disposition: str) -> str:
    """The name in a Content-Disposition, as it is written there; "" for none (RFC 6266).

    ``filename*`` counts before ``filename``. What comes back is not safe: `safe_name` makes it so. O(length).

    Example:
        >>> suggested_name("attachment; filename=a.txt; filename*=UTF-8''%e2%82%ac.txt")
        '€.txt'
    """
    fields: dict[str, str] = {}
    for match in _FIELD.finditer(disposition):
        value = match[3].strip() if match[2] is None else _ESCAPE.sub(r"\1", match[2])
        fields.setdefault(match[1].lower(), value)
    extended = _EXTENDED.fullmatch(fields.get("filename*", ""))
    if extended is not None:
        octets = extended[2].encode(errors="surrogatepass")  # it should be ASCII, and need not be
        return unquote_to_bytes(octets).decode(extended[1], "replace")
    return _utf8(fields.get("filename", ""))


def _utf8(text: str) -> str:
    """Many servers send UTF-8 as it is, which arrives as Latin-1 or with surrogates."""
    for coding, errors in (("latin-1", "strict"), ("utf-8", "surrogateescape")):
        try:
            return text.encode(coding, errors).decode("utf-8")
        except UnicodeError:
            continue
    return text


def safe_name(name: str) -> str:
    r"""A name for a file in a directory, made of what a stranger suggests; "" where nothing of it is left. O(length).

    The last part of a path, whatever separates it; no control characters, no marks that turn the direction of text, none
    of ``<>:"|?*``; not hidden, not one of the names that Windows reserves, at most 180 bytes of UTF-8.

    Example:
        >>> safe_name("../../etc/passwd"), safe_name("C:\\a\\con.txt"), safe_name("..")
        ('passwd', '_con.txt', '')
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/")).rstrip("/").rpartition("/")[2]
    name = "".join(char for char in name if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    name = _FORBIDDEN.sub("_", name).strip().lstrip(".").rstrip(". ").lstrip()
    return _fitting(f"_{name}" if _RESERVED.match(name) else name)


def _fitting(name: str) -> str:
    """A long name is cut before its suffix, and told from others that begin alike by a hash."""
    data = name.encode()
    if len(data) <= _LONGEST:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > _SUFFIX:
        stem, dot, suffix = name, "", ""
    end = f"-{sha256(data).hexdigest()[:12]}{dot}{suffix}"
    return stem.encode()[: _LONGEST - len(end.encode())].decode(errors="ignore") + end


def part_name(name: str) -> str:
    """What the file `name` is called while it is not whole: always the same, so that it is found again; O(length).

    Example:
        >>> part_name("a.zip")
        '.a.zip.part'
    """
    return f".{_fitting(name)}.part"


def numbered(name: str, number: int) -> str:
    """`name` with a number before its suffix, for a name that is taken; O(length).

    Example:
        >>> numbered("a.zip", 2)
        'a (2).zip'
    """
    stem, dot, suffix = name.rpartition(".")
    return f"{stem} ({number}).{suffix}" if dot and stem else f"{name} ({number})"
