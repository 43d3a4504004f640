"""The torture tells all that it dealt: what held, what was refused, what is missing."""

from dataclasses import asdict
from pathlib import Path

import pytest

from tests.crash.deep_examples import outcomes
from tests.crash.errno_faults import Injection, injections
from tests.crash.outcome import Outcome
from tests.crash.tally import ERRORS, HYPOTHESIS, Tally

GIVEN = "import hypothesis\n@hypothesis.given(hypothesis.strategies.none())\n"


def tally_of(*dealt: Outcome) -> Tally:
    tally = Tally()
    for outcome in dealt:
        tally.add(asdict(outcome) | {"good": outcome.good}, 7)
    return tally


def numbers(tally: Tally, name: str) -> dict[str, int]:
    """Return the row of the table that begins with ``name``, by its columns."""
    head, *rows = (row[28:] for row in tally.table() if row.startswith(("injury", name)))
    values = map(int, rows[0].split())
    return dict(zip([head[:7].strip(), *_columns(head[7:])], values, strict=True))


def _columns(head: str) -> list[str]:
    return [head[start : start + 15].strip() for start in range(0, len(head), 15)]


def test_refusals_are_a_column_of_their_own() -> None:
    """A clear refusal is neither counted as the same bits nor as a broken promise."""
    tally = tally_of(
        Outcome("6", "flip result", "", "same bits"),
        Outcome("6", "fifo .lock", "", "clear refusal"),
        Outcome("8", "hostile journal.jsonl", "", "forged kept"),
    )

    assert not tally.bad
    assert numbers(tally, "6 corruption") == {
        "dealt": 2,
        "same bits": 1,
        "clear refusal": 1,
        "forged kept": 0,
        "BROKEN": 0,
    }
    assert numbers(tally, "8 hostile state")["forged kept"] == 1


def test_broken_promise_is_bad_and_told_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """Other bits, or a refusal after a mere crash, fail the torture; so does a rung that died."""
    broken = Outcome("1 every effect", "crash", "effect 3", "clear refusal", may_refuse=False)
    died = tally_of(Outcome("3", "SIGKILL", "", "same bits"))
    died.failed.append("sigkill")

    assert tally_of(broken).bad
    assert "BROKEN (seed 7)" in capsys.readouterr().out
    assert died.bad
    assert "sigkill: did not run to its end" in died.table()
    assert Tally().bad


def test_what_was_not_reached_is_said() -> None:
    """Each number of the least has its line; the same error twice counts once."""
    faults = [Outcome("4", f"{i.error} at {i.effect}", _told(i, n), "same bits")
              for n in (1, 2) for i in injections()]  # fmt: skip
    reached = tally_of(*faults, *[Outcome("3", "SIGKILL", "", "same bits")] * 299)
    lines = reached.against_the_least(deep=True)

    assert len(injections()) == reached.dealt(ERRORS) == 144
    assert f"reached: {ERRORS}: 144 of at least 144" in lines
    assert "SHORT: 3 SIGKILL: 299 of at least 300" in lines
    assert "SHORT: 5 power cut xfs: 0 of at least 40" in lines
    assert lines[-1].startswith(f"SHORT: {HYPOTHESIS}")
    assert not reached.bad


def _told(fault: Injection, number: int) -> str:
    return f"{fault.target}, number {number}{' and all later' * fault.lasting}"


def test_deep_tests_pass_fail_and_are_cut_short(tmp_path: Path) -> None:
    """What pytest says of each test is counted, and that it had no time to say more."""
    (tmp_path / "test_ends.py").write_text(f"{GIVEN}def test_a(x): pass\n{GIVEN}def test_b(x): no")
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "test_sleep.py").write_text(
        f"{GIVEN}def test_c(x): __import__('time').sleep(60)"
    )
    ends = {one.kind[-1]: one.verdict for one in outcomes(1, 60, tmp_path / "test_ends.py")}

    assert ends == {"a": "passed", "b": "unclear end"}
    assert [one.verdict for one in outcomes(1, 2, tmp_path / "slow")] == ["cut short"]
    assert [one.verdict for one in outcomes(1, 60, tmp_path / "none")] == ["unclear end"]
