"""Small valid files of every format, from which damaged ones are made."""

import io
import json
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tests.support.paths import SHARED

CASES = SHARED / "cases"


def _rows(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _token(*cells: object) -> str:
    return "\t".join(map(str, cells))


def _tree(words: Sequence[tuple[str, str, int, str]], first: str = "_") -> list[str]:
    lines = [
        _token(number, form, "_", tag, "_", "_", head, relation, "_", first if number == 1 else "_")
        for number, (form, tag, head, relation) in enumerate(words, 1)
    ]
    return [*lines, ""]


ANN = [("Ann", "PROPN", 2, "nsubj"), ("sleeps", "VERB", 0, "root"), (".", "PUNCT", 2, "punct")]

CONLLU = (
    _rows(
        "# newdoc id = a",
        "# sent_id = 1",
        "# text = Ann sleeps .",
        *_tree(ANN),
        "# text = Del mar",
        "1-2\tDel\t_\t_\t_\t_\t_\t_\t_\t_",
        *_tree([("De", "ADP", 3, "case"), ("el", "DET", 3, "det"), ("mar", "NOUN", 0, "root")]),
        "# newdoc",
        *_tree([("é́", "NOUN", 0, "root"), ("漢字", "NOUN", 1, "nmod:poss")], "SpaceAfter=No"),
    ),
    _rows("# newdoc_id = 1", "# text = a", *_tree([("a", "X", 0, "root")]), "# doc_id = 2", *_tree(ANN), *_tree(ANN)),
    _rows(
        "# global.columns = ID FORM UPOS HEAD DEPREL MISC",
        "1\ta\tNOUN\t0\troot\t_",
        "1.1\tb\tX\t_\t_\t_",
        "2\tc\tNOUN\t1\tdep\t_",
        "",
    ),
    _rows(
        "# global.Entity = eid-etype-head-other",
        "# newdoc id = d",
        "1\tAnn\t_\tPROPN\t_\t_\t2\tnsubj\t_\tEntity=(e1-person-1-x)(e2[1/2]-x-1-y",
        "2\tsleeps\t_\tVERB\t_\t_\t0\troot\t_\tEntity=e2[1/2])(e3-x-1-y",
        "3-4\tgonna\t_\t_\t_\t_\t_\t_\t_\tEntity=(e2[2/2])",
        "3\tgon\t_\tVERB\t_\t_\t2\txcomp\t_\t_",
        "4\tna\t_\tPART\t_\t_\t3\tmark\t_\tEntity=e3)",
        "4.1\tx\t_\t_\t_\t_\t_\t_\t_\tEntity=(e1--1)",
        "",
        "1\tShe\t_\tPRON\t_\t_\t0\troot\t_\tEntity=(e1-person-1-x)",
        "",
    ),
)


def _columns(*rows: tuple[str, str, str]) -> list[str]:
    lines, number = [], 0
    for word, tag, cell in rows:
        lines.append(f"d\t0\t{number}\t{word}\t{tag}\t-\t-\t-\t-\t-\t*\t{cell}" if word else "")
        number = number + 1 if word else 0
    return [*lines, ""]


COLUMNS = (
    _rows(
        "#begin document (a/b); part 000",
        *_columns(
            ("Ann", "NNP", "(0"),
            ("Lee", "NNP", "0)"),
            ("saw", "VBD", "-"),
            ("her", "PRP$", "(0)|(1"),
            ("cat", "NN", "1)"),
            ("", "", ""),
            ("It", "PRP", "(1)"),
            ("and\\/or", "CC", "-"),
            ("-LRB-", "-LRB-", "-"),
        ),
        "#end document",
        "#begin document (a/b); part 001",
        *_columns(("Yes", "UH", "-")),
        "#end document",
    ),
    _rows("#begin document (c)", *_columns(("a", "-", "(0)"), ("of", "_", "-"), ("b", "-", "(0)")), "#end document"),
)

GAP = (
    _rows(
        "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL",
        "x1\tAnn met Bo when she ran.\tshe\t16\tAnn\t0\tTRUE\tBo\t8\tFALSE\thttp://a",
        "x2\tHe said Bo Lee and Al went.\tHe\t0\tBo Lee\t8\tFALSE\tAl\t19\tTRUE\thttp://b",
    ),
)
WINOBIAS = (
    _rows(
        "1 [The cook] saw the maid because [he] left.",
        "2 The cook saw [the maid] because [she] left.",
        "3 [The developer] argued with the designer because [she] did not like [her] idea.",
    ),
    _rows(
        "#begin document (x); part 000",
        *_columns(("The", "-", "(1"), ("cook", "-", "1)"), ("left", "-", "-"), ("his", "-", "(1)"), ("maid", "-", "-")),
        "#end document",
    ),
)
WINOGENDER = (
    _rows(
        "sentid\tsentence",
        "cook.maid.0.male.txt\tThe cook saw the maid because he left.",
        "cook.someone.1.neutral.txt\tThe cook told someone that they paid.",
    ),
)
TEXT = (
    _rows("It's a well-known fact.", "", "Ünïcödé 漢字 😀👍🏽 नमस्ते e\u0301 co\xadop a\u200bb.", "[MASK] _ _ x"),
    b"\xef\xbb\xbfOne line.\r\nAnother.\r\n",
)
_PAIR = {"sentence_good": "A dog barks.", "sentence_bad": "A dog bark.", "UID": "x", "pairID": "0"}
PAIRS = (_rows(json.dumps(_PAIR), json.dumps({**_PAIR, "pairID": 1, "field": [1, {"a": None}]})),)
ENTITIES = (_rows("Ann\tB-person", "Lee\tI-person", "ran\tO", "", "in\tO", "Rome\tB-location", "\t", "@x\tB-person"),)


def pictures() -> Sequence[bytes]:
    """PNG and JPEG: in colours, grey of 8 and 16 bits, with a palette, with transparency, turned by the camera."""
    pixels = np.arange(12 * 8 * 3, dtype=np.uint8).reshape(8, 12, 3)
    image = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    made: list[bytes] = []
    for one, kind, options in (
        (image, "PNG", {}),
        (image, "JPEG", {}),
        (image.convert("P"), "PNG", {}),
        (image.convert("L"), "PNG", {}),
        (image.convert("RGBA"), "PNG", {"exif": turned}),
        (image.convert("1"), "PNG", {}),
        (image, "JPEG", {"exif": turned}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "JPEG", {"progressive": True}),
        (Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257), "PNG", {}),
    ):
        buffer = io.BytesIO()
        one.save(buffer, kind, **options)
        made.append(buffer.getvalue())
    return made


def cases(*patterns: str) -> list[bytes]:
    """Files of the cases beside the checkout, where they are there; of long ones the beginning."""
    found = sorted(path for pattern in patterns for path in CASES.glob(pattern) if path.is_file())
    return [path.read_bytes()[:8000] for path in found]
