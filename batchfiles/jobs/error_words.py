"""What error messages have in common: the same words with other ids, numbers and quotations are the same error."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["folded"]

LOOKED_AT: Final = 1000
"""Letters of a message that count: what follows, such as a page of HTML or a whole request, tells errors apart too well."""

# Numbers take all they can and give nothing back (`++`): else a thousand digits before a letter would be tried for ever.
VARYING: Final = re.compile(
    r"""
    (?P<quoted> (?<!\w)'[^'\n]*'(?!\w) | "[^"\n]*" | `[^`\n]*` | “[^”\n]*” )
  | (?P<url>    https?://[^\s'"<>]+ )
  | (?P<id>     \b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b                       # a UUID
              | \b(?:req|batch|resp|msg|chatcmpl|cmpl|org|proj|user|file|run|call|key|sk|ft|id)[-_](?=[\w-]*\d)[\w-]{6,}
              | \b(?=[A-Za-z_]*\d)(?=\d*[A-Za-z])\w{16,}\b )                                   # hex, base62
  | (?P<number> (?<![\w.-])[+-]?(?:\d++(?:[.,:]\d++)*+(?:ms|[smhd%])?)++(?!\w) )   # 29,000 and 1m3s
    """,
    re.VERBOSE,
)


def folded(message: str, param: str | None = None) -> str:
    """Return a message with placeholders for what differs from one request to the next.

    Args:
        message: What the service said.
        param: The parameter that it blames: its name is kept where it is quoted, because it tells errors apart.

    Returns:
        The message with `'…'` for quotations, `<url>`, `<id>` for UUIDs, request ids and other long ids, and `<n>` for numbers
        and durations; white space becomes single spaces.
    """
    cut = " ".join(message[:LOOKED_AT].split())
    text = VARYING.sub(lambda match: _placeholder(match, param), cut)
    return text if len(message) <= LOOKED_AT else f"{text}…"


def _placeholder(match: re.Match[str], param: str | None) -> str:
    if match["quoted"] is None:
        return {"url": "<url>", "id": "<id>"}.get(str(match.lastgroup), "<n>")
    quotation = match[0]
    if param is not None and quotation[1:-1] == param:
        return quotation[0] + INDEX.sub("[<n>]", param) + quotation[-1]
    return f"{quotation[0]}…{quotation[-1]}"


INDEX: Final = re.compile(r"\[\d+\]")
"""The number of a message in `messages[17].content`."""
