"""Promise 1, secrets: wherever a script leaves one, nothing of it reaches the spool, the log or the home."""

import random
import subprocess

import pytest
from secret_corpus import drawn, password

pytestmark = pytest.mark.fault

TRAIN = """
    import os, sys
    import modeltrail
    words = os.environ["WORDS"].split()
    modeltrail.start_run(
        job="train", parameters={"db": {"password": words[0]}, "dsn": f"postgresql://ana:{words[1]}@db.example/x"},
        tags={"api_key": words[2]},
    )
    modeltrail.log_param("note", f"use token={words[3]} here")
    modeltrail.use_dataset("tx", uri=f"https://ana:{words[4]}@lake.example/tx.parquet", version="1")
    modeltrail.flush(60_000)
    raise ValueError(f"could not connect: Server=db;Uid=ana;Pwd={words[5]};")
"""


def test_no_secret_of_a_script_is_anywhere_in_its_home(workshop) -> None:
    chance = random.Random(11)
    words = [password(chance).rstrip("!#") for _ in range(11)]
    key = "gh" + "p_" + drawn(chance, 36)
    git = ["git", "-c", "user.name=ana", "-c", "user.email=ana@example.com", "-c", "commit.gpgsign=false"]
    settings = workshop.folder / "settings.py"
    settings.write_text("DEBUG = False\n")
    remote = f"https://ana:{words[6]}@git.example/team/repository.git"
    for question in (
        ["init", "-q"],
        ["add", "."],
        ["commit", "-q", "-m", "one"],
        ["remote", "add", "origin", remote],
    ):
        subprocess.run([*git, *question], cwd=workshop.folder, check=True)
    settings.write_text(f'DEBUG = True\nDB_PASSWORD = "{words[7]}"\nTOKEN = "{key}"\n')
    arguments = ["--password", words[8], f"--db.password={words[9]}", "-p", words[10]]
    done = workshop.train(TRAIN, *arguments, WORDS=" ".join(words), DB_PASSWORD=words[0], GITHUB_TOKEN=key)
    assert done.returncode == 1
    events = workshop.events()
    kept = b"".join(path.read_bytes() for path in workshop.home.rglob("*") if path.is_file())
    kept += repr(events).encode()
    assert [word for word in (*words, key) if word.encode() in kept] == []
    (code,) = [event.code for event in events if event.code]
    assert (code.repository, code.diff.count("[redacted]")) == ("https://git.example/team/repository.git", 2)
    assert events[-1].error.message == "could not connect: Server=db;Uid=ana;Pwd=[redacted];"
    assert sum(event.redactions for event in events) >= 12
