"""The audit log from the command line: started, followed, verified, proved, pinned, and caught when damaged."""

import json
import stat

import pytest
from told_history import dataset


@pytest.fixture
def audited(told, modeltrail):
    """The seed case, audited."""
    assert modeltrail("audit", "init", "--name", "tests.example")[0] == 0
    assert modeltrail("audit", "follow", "--once")[0] == 0
    return told


def damage(home, part="segments"):
    """Flip a byte of the largest file under ``part``."""
    victim = max((home / "audit" / "0" / part).rglob("*"), key=lambda path: path.is_file() * path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(data)
    return victim


def test_init_makes_a_key_for_its_owner_only_and_never_overwrites_one(told, modeltrail, home):
    code, out, _ = modeltrail("audit", "init")
    key = home / "audit" / "key"
    before = key.read_bytes()

    assert code == 0
    assert "verifier key" in out
    assert key.read_text().strip() not in out
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    code, out, err = modeltrail("audit", "init")
    assert (code, out) == (2, "")
    assert "never overwritten" in err
    assert key.read_bytes() == before


def test_what_is_audited_verifies_and_the_answer_names_no_file_of_our_own(audited, modeltrail):
    code, out, err = modeltrail("audit", "verify")

    assert (code, err) == (0, "")
    assert f"verified {len(audited.events)} records" in out
    assert "lock" not in out
    assert modeltrail("audit", "verify", "--json")[0] == 0


def test_status_says_how_far_behind_the_audit_log_is(audited, modeltrail):
    assert "up to date" in modeltrail("audit", "status")[1]
    audited.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong")

    assert "1 behind" in modeltrail("audit", "status")[1]
    assert json.loads(modeltrail("audit", "status", "--json")[1])["partitions"][0]["behind"] == 1


@pytest.mark.parametrize("part", ["segments", "tile/entries", "tile/0"])
def test_a_flipped_byte_is_a_no_that_names_the_file(audited, modeltrail, home, part):
    victim = damage(home, part)

    code, out, err = modeltrail("audit", "verify")
    assert code == 1
    assert "Traceback" not in err
    assert victim.relative_to(home / "audit").as_posix() in out
    assert json.loads(modeltrail("audit", "verify", "--json")[1])["partitions"][0]["fault"]


def test_a_bundle_that_was_emptied_is_a_no_to_each_question_that_needs_it(audited, modeltrail, home):
    bundles = home / "audit" / "0" / "tile" / "entries"
    bundle = next(path for path in bundles.rglob("*") if path.is_file())
    bundle.chmod(0o644)
    bundle.write_bytes(b"")

    for question in (("status",), ("verify",), ("prove", "--offset", "1"), ("prove", "--index", "1")):
        assert modeltrail("audit", *question)[0] == 1
    named = f"0/tile/entries/{bundle.relative_to(bundles)}"
    assert named in "".join(modeltrail("audit", "status")[2].split())
    assert named in "".join(modeltrail("audit", "verify")[1].split())


def test_a_log_cut_short_behind_its_pin_is_found(audited, modeltrail, home, tmp_path):
    assert modeltrail("audit", "pin", tmp_path / "pin")[0] == 0
    audited.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong")
    modeltrail("audit", "follow", "--once")

    assert modeltrail("audit", "verify", "--pin", tmp_path / "pin")[0] == 0
    assert "descends from the head pinned" in modeltrail("audit", "pin", tmp_path / "pin", "--check")[1]
    (home / "audit" / "0" / "checkpoint").unlink()
    assert modeltrail("audit", "verify", "--pin", tmp_path / "pin")[0] == 1


def test_a_proof_convinces_who_has_the_key_alone(audited, modeltrail, tmp_path, home):
    code, proof, _ = modeltrail("audit", "prove", "--offset", 3)
    (tmp_path / "proof").write_text(proof)
    key = (home / "audit" / "verifier-key").read_text().strip()
    alone = ("--home", tmp_path / "elsewhere")

    assert code == 0
    assert (
        "the proof holds: index 3, offset 3"
        in modeltrail(*alone, "audit", "prove", "--check", tmp_path / "proof", "--key", key)[1]
    )
    (tmp_path / "proof").write_text(proof.replace("index 3", "index 4").replace("\n3\n", "\n4\n"))
    code, out, err = modeltrail(*alone, "audit", "prove", "--check", tmp_path / "proof", "--key", key)
    assert (code, out) == (1, "")
    assert "Traceback" not in err


def test_an_export_verifies_elsewhere_and_holds_no_key(audited, modeltrail, tmp_path):
    assert modeltrail("audit", "export", tmp_path / "copy")[0] == 0

    assert not (tmp_path / "copy" / "key").exists()
    assert modeltrail("--audit", tmp_path / "copy", "audit", "verify")[0] == 0


def test_another_key_is_not_believed(audited, modeltrail, tmp_path):
    other = ("--audit", tmp_path / "other")
    modeltrail(*other, "audit", "init", "--name", "tests.example")
    code, out, _ = modeltrail("audit", "verify", "--key", tmp_path / "other" / "verifier-key")

    assert code == 1
    assert "checkpoint" in out


@pytest.mark.parametrize(
    ("arguments", "words", "expected"),
    [
        (("verify", "--key", "nokey"), "neither a verifier key nor a file", 2),
        (("verify", "--key", "a+b"), "not an Ed25519 verifier key", 2),
        (("prove",), "one of the two", 2),
        (("prove", "--check", "missing"), "missing: No such file or directory", 2),
        (("prove", "--offset", "999"), "999", 1),
        (("pin", "missing", "--check"), "missing", 2),
        (("export", "."), ".", 2),
    ],
)
def test_wrong_use_is_explained(audited, modeltrail, arguments, words, expected):
    code, out, err = modeltrail("audit", *arguments)

    assert code == expected
    assert out == ""
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["status", "verify", "follow", "prove"])
def test_without_an_audit_log_the_answer_says_how_to_start_one(told, modeltrail, command):
    arguments = {"follow": ["--once"], "prove": ["--offset", 0]}.get(command, [])
    code, out, err = modeltrail("audit", command, *arguments)

    assert (code, out) == (2, "")
    assert "modeltrail audit init" in err


def test_a_second_auditor_is_refused_and_told_of_the_first(audited, modeltrail, start):
    first = start("audit", "follow")
    audited.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong")
    assert "records signed" in first.stdout.readline()  # it holds the log now

    code, _, err = modeltrail("audit", "follow", "--once")
    assert code != 0
    assert f"another auditor (pid {first.pid})" in err


def test_an_audit_log_may_be_started_before_there_is_a_log(home, modeltrail):
    code, out, err = modeltrail("audit", "init")

    assert code == 0
    assert "there is no log" in err
    for command in ("verify", "status"):
        code, out, _ = modeltrail("audit", command)
        assert code == 0
        assert "nothing audited yet" in out
    assert not (home / "log.db").exists()
