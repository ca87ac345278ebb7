"""Tells small histories, by seed, in which everything that makes lineage hard happens: to compare answers over them.

Versions told, told late, corrected and never told; words that moved; retractions; cycles; what a run began; jobs
without runs; bases nobody read; and the times of it all out of order.
"""

from random import Random

from modeltrail_schemas.event import ModelDetail
from modeltrail_schemas.names import EntityRef, JobName
from told_history import MARCH_2026_NS, SECOND_NS, History, dataset, model

NAMES = [dataset(name) for name in ("raw", "tx", "features")] + [model(name) for name in ("fraud", "embedder")]
VERSIONS = 5
WORDS = ("production", "champion")
RUNS = 14
DECLARATIONS = ("REGISTERED", "ALIASED", "STAGED", "DEPLOYED", "RETIRED", "RETRACTED", "DESCRIBED")


def tell_tangled(history: History, seed: int) -> list[str]:
    """Tell a history; return the names of what can be asked about."""
    random = Random(seed)

    def any_of(kind: str = "") -> EntityRef:
        name = random.choice([name for name in NAMES if kind in ("", name.kind)])
        version = random.choice(["", *(f"v{number}" for number in range(VERSIONS))])
        if name.kind == "model" and random.random() < 0.2:
            version = random.choice(WORDS)
        role = random.choice(["", "train", "test"])
        digest = "sha256:" + "d" * 64 if version and random.random() < 0.2 else ""
        return EntityRef(name.kind, name.namespace, name.name, version, digest, role)

    def some(most: int) -> tuple[EntityRef, ...]:
        return tuple(any_of() for _ in range(random.randrange(most + 1)))

    def when() -> int:
        return MARCH_2026_NS + random.randrange(600) * SECOND_NS

    begun: list[str] = []
    for number in range(RUNS):
        run_id, job = f"run-{seed}-{number}", f"team/job{random.randrange(4)}"
        told = {"job": job, "parent_run_id": random.choice(["", "", *begun[-2:]]), "event_time_ns": when()}
        commit = random.choice(["", "a" * 40, "b" * 40])
        history.run(run_id, inputs=some(3), outputs=some(1), commit=commit, **told)
        made = some(2)
        bases = tuple(ModelDetail(ref, base=any_of("model")) for ref in made if ref.kind == "model" and ref.version)
        if random.random() < 0.8:
            ended = random.choice(["COMPLETE", "FAIL", "CORRECTED"])
            history.run(run_id, ended, job=job, inputs=some(2), outputs=made, models=bases, event_time_ns=when())
        begun.append(run_id)
        for _ in range(random.randrange(2)):
            declaration, subject = random.choice(DECLARATIONS), any_of()
            word = {"ALIASED": "alias", "STAGED": "stage", "DEPLOYED": "target", "RETIRED": "target"}.get(declaration)
            said = {word: random.choice(WORDS)} if word else {}
            history.declare(declaration, subject, **said)
    history.tell("job", "", job=JobName("team", "plan"), inputs=some(2), outputs=some(2))
    refs = [EntityRef(ref.kind, ref.namespace, ref.name, version) for ref in NAMES for version in ("", "v1", "v3")]
    asked = [f"{ref.kind}:{ref.format().partition(':')[2]}" for ref in refs]
    return [*asked, "model:fraud@production", "job:team/job1", "job:team/plan", "commit:" + "a" * 40, *begun[::3]]
