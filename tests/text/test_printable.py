"""What steers a terminal is shown, and a line of JSON stays the same JSON."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from interp.text.printable import printable


@given(st.text(st.characters()))
def test_nothing_steers_the_terminal_and_nothing_else_changes(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\t\n"]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")]
    plain = "".join(
        c for c in text if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp")
    )
    assert printable(plain) == plain
    assert json.loads(printable(json.dumps({"text": text}, ensure_ascii=False))) == {"text": text}


def test_words_are_left_alone() -> None:
    for text in ("می\u200cخواهم", "👨\u200d👩", "e\u0301", "a\tb\n", "\xad"):
        assert printable(text) == text
    assert printable("\x1b[31m\x9b\u202e\udce9") == "\\u001b[31m\\u009b\\u202e\\udce9"
