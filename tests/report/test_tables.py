"""The comparison in numbers, and as text that other programs read."""

import pytest

from holdfast.report.comparison import Row, best, wilson
from holdfast.report.sections import comparison
from holdfast.report.tables import as_csv, as_latex, as_markdown, escape_latex, escape_markdown
from holdfast.report.text import percent, thousands
from holdfast.status import clock

ROWS = [
    Row("first_net", "complete", accuracy=0.5, f1=0.25, fold_scores=(0.5, 0.7), folds=2),
    Row("second", "complete", accuracy=0.875, seconds=3725.0, parameters=28_590_000, changed=True),
    Row("third", "failed"),
    Row("All & more", "complete", accuracy=0.9, is_ensemble=True),
]


def test_markdown_shows_each_row_and_the_best_single_one_bold() -> None:
    """The ensemble is beside them, not among them; what is not known is empty."""
    assert as_markdown(ROWS).splitlines() == [
        "| Backbone | Accuracy | F1 | ROC AUC | Folds | Parameters | Time (without folds) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| first\\_net | 0.5000 | 0.2500 |  | 0.600 ± 0.141 |  |  |",
        "| second* | **0.8750** |  |  |  | 28.59 M | 1:02:05 |",
        "| third | failed |  |  |  |  |  |",
        "| All \\& more | 0.9000 |  |  |  |  |  |",
        "",
        "\\* settings or data changed in training: not what an undisturbed run gives",
    ]


def test_latex_is_escaped_and_ruled() -> None:
    """booktabs, a rule before the ensemble, every special sign as LaTeX sets it."""
    lines = as_latex(ROWS).splitlines()

    assert lines[1] == r"\begin{tabular}{lrrrrrr}"
    assert r"first\_net & 0.5000 & 0.2500 &  & 0.600 $\pm$ 0.141 &  &  \\" in lines
    assert r"second* & \textbf{0.8750} &  &  &  & 28.59 M & 1:02:05 \\" in lines
    assert lines[lines.index(r"All \& more & 0.9000 &  &  &  &  &  \\") - 1] == r"\midrule"
    assert lines[-3:-1] == [r"\bottomrule", r"\end{tabular}"]


@pytest.mark.parametrize(
    ("text", "latex", "markdown"),
    [
        ("a_b", r"a\_b", r"a\_b"),
        ("50 % & #1 $x$", r"50 \% \& \#1 \$x\$", r"50 % \& #1 \$x\$"),
        (r"\input{x}", r"\textbackslash{}input\{x\}", r"\\input{x}"),
        ("a|b<i>", r"a\textbar{}b\textless{}i\textgreater{}", r"a\|b\<i\>"),
        ("~^", r"\textasciitilde{}\textasciicircum{}", r"\~^"),
        ("one\ntwo", "one\ufffdtwo", "one\ufffdtwo"),
    ],
)
def test_special_signs_are_shown_as_they_are(text: str, latex: str, markdown: str) -> None:
    """A name does nothing in a document, whatever signs it is made of."""
    assert (escape_latex(text), escape_markdown(text)) == (latex, markdown)


def test_csv_keeps_every_digit() -> None:
    """Numbers can be read back as they were; unknown is empty."""
    line = as_csv([Row("a", "complete", accuracy=1 / 3)]).splitlines()[1]

    assert line.startswith(f"a,complete,{1 / 3!r},,,")


def test_wilsons_interval_is_the_literatures() -> None:
    """81 of 263: 0.2553 to 0.3662 (Newcombe, 1998, Table I); at the ends it stays within."""
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(1.0, 20)[1] == 1.0
    assert wilson(0.0, 20)[0] == 0.0


def test_the_best_are_single_backbones() -> None:
    """All of equals, without the ensemble; none where nothing is complete."""
    equal = [*ROWS, Row("as good", "complete", accuracy=0.875)]
    assert [row.name for row in best(equal)] == ["second", "as good"]
    assert best([ROWS[2], ROWS[3]]) == []
    assert as_markdown(equal).count("**0.8750**") == 2
    assert as_latex(equal).count(r"\textbf{0.8750}") == 2
    assert comparison(equal).count(f"<b>{percent(0.875)}</b>") == 2


def test_times_and_counts_are_as_people_read_them() -> None:
    """Hours, minutes, seconds; millions; nothing for what is not known."""
    assert [clock(s) for s in (None, 59.6, 100_000)] == ["", "0:01:00", "27:46:40"]
    assert [thousands(n) for n in (None, 940, 210_000)] == ["", "940", "0.21 M"]
