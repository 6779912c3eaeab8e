"""What docs/library.md does with the engine comes out as it says there."""

import doctest
import pathlib
import re

import msgspec

from scheduler.kernel import kernel, question
from tests.kernel import running

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "library.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def sessions() -> str:
    return "".join(block for block in BLOCKS if block.startswith(">>>"))


def test_every_session_gives_what_is_written_below_it() -> None:
    session = doctest.DocTestParser().get_doctest(sessions(), {}, PAGE.name, str(PAGE), 0)
    told: list[str] = []
    failed, tried = doctest.DocTestRunner(verbose=False).run(session, out=told.append)
    assert failed == 0, "".join(told)
    assert tried > 20


def test_a_decision_takes_ten_lines() -> None:
    [block] = [block for block in BLOCKS if "door.state_of(asked, settings)\n>>> pod" in block]
    assert sum(line.startswith(">>> ") for line in block.splitlines()) == 10


def test_a_cluster_that_runs_is_read_as_written(tmp_path: pathlib.Path) -> None:
    bare = running.Bare(kernel.Kernel(running.SETTINGS, "home", seed=1))
    bare.nodes(running.node("n1"))
    bare.pending(running.pod("p"))
    bare.step()
    (tmp_path / "world.json").write_bytes(b"".join(question.whole(bare.kernel, 1000.0)))
    [block] = [block for block in BLOCKS if "world.read" in block]
    known: dict[str, object] = {}
    exec("from scheduler.offline import door", known)  # noqa: S102 (what the page imported above)
    exec(block.replace('"world.json"', repr(str(tmp_path / "world.json"))), known)  # noqa: S102 (our own page)
    assert msgspec.to_builtins(known["one"].pod.metadata)["name"] == "p"  # type: ignore[attr-defined]
