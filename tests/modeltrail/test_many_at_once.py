"""Promise 1, many at once: threads, tasks and worker processes record into one run, each in order, nothing lost.

Scripts as people write them, each in a process of its own, read back from the log they wrote to.
"""

from collections import Counter

import pytest
from modeltrail_schemas.event import LineageEvent

pytestmark = pytest.mark.fault


def told_by(events: list[LineageEvent]) -> dict[str, list[int]]:
    """Return for each metric its steps, in the order of the log."""
    told: dict[str, list[int]] = {}
    for event in events:
        for metric in event.metrics:
            told.setdefault(metric.name, []).append(metric.step)
    return told


def test_64_threads_record_into_one_run_each_in_order_nothing_lost_nothing_twice(workshop, complaints) -> None:
    script = """
        import modeltrail, threading
        start = threading.Barrier(64)
        def work(number):
            start.wait()
            for step in range(100):
                (run.log_metric if step % 2 else modeltrail.log_metric)(f"m{number}", step / 7, step=step)
        with modeltrail.start_run(job="train", capture=False) as run:
            threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """
    done = workshop.train(script)
    assert (done.returncode, complaints(done)) == (0, [])
    events = workshop.events()
    assert told_by(events) == {f"m{number}": list(range(100)) for number in range(64)}
    assert workshop.states() == ["START", "COMPLETE"]
    assert len({event.emitter.id for event in events}) == 1
    assert [event.event_time_ns for event in events] == sorted(event.event_time_ns for event in events)
    assert max(Counter(event.event_id for event in events).values()) == 1


def test_tasks_of_asyncio_record_into_their_own_runs_and_the_shared_one(workshop, complaints) -> None:
    script = """
        import asyncio, modeltrail
        async def trial(number):
            with modeltrail.start_run(job="trial", parameters={"number": number}, capture=False) as run:
                for step in range(20):
                    modeltrail.log_metric(f"own{number}", 1.0, step=step)
                    await asyncio.sleep(0)
                    shared.log_metric(f"shared{number}", 1.0, step=step)
        async def main():
            await asyncio.gather(*(trial(number) for number in range(30)))
            cancelled = asyncio.create_task(trial(30))
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
        with modeltrail.start_run(job="sweep", capture=False) as shared:
            asyncio.run(main())
    """
    done = workshop.train(script)
    assert (done.returncode, complaints(done)) == (0, [])
    events = workshop.events()
    told = told_by(events)
    for number in range(30):
        assert told[f"own{number}"] == told[f"shared{number}"] == list(range(20))
        (own,) = {e.run_id for e in events for metric in e.metrics if metric.name == f"own{number}"}
        assert [e.parameters["number"] for e in events if e.run_id == own and e.parameters] == [str(number)]
    assert Counter(workshop.states()) == {"START": 32, "COMPLETE": 31, "ABORT": 1}


WORKERS = """
    import multiprocessing, sys
    import modeltrail
    def work(run, number):
        for step in range(50):
            run.log_metric(f"m{number}", 1.0, step=step)
        if number == 0:
            run.use_dataset("shard", data=b"x")
    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1])
        with modeltrail.start_run(job="train", capture=False) as run:
            run.log_metric("before", 1.0)
            workers = [context.Process(target=work, args=(run, number)) for number in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            assert [worker.exitcode for worker in workers] == [0] * 4
            run.log_metric("after", 1.0)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_run_that_is_handed_to_worker_processes_is_joined_there(workshop, complaints, method: str) -> None:
    done = workshop.train(WORKERS, method)
    assert (done.returncode, complaints(done)) == (0, [])
    events = workshop.events()
    assert told_by(events) == {f"m{n}": list(range(50)) for n in range(4)} | {"before": [0], "after": [0]}
    assert len({event.run_id for event in events}) == 1
    assert len({event.emitter.id for event in events}) == 5
    assert workshop.states() == ["START", "COMPLETE"]
    assert [ref.name for event in events for ref in event.inputs] == ["shard"]
    assert not [event.error for event in events if event.error], "none is taken for lost"


def test_workers_of_a_data_loader_that_are_killed_lose_nothing_they_told_and_do_not_end_the_run(workshop) -> None:
    """They are forked after the start, in the midst of things, and the loader ends them by SIGTERM or SIGKILL."""
    script = """
        import multiprocessing, modeltrail, threading
        def load(number, ready):
            for step in range(50):
                modeltrail.log_metric(f"m{number}", 1.0, step=step)
            ready.set()
            while True:
                modeltrail.log_metric(f"more{number}", 1.0)
        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            with modeltrail.start_run(job="train", capture=False) as run:
                go_on = True
                def report():
                    while go_on:
                        run.log_metric("main", 1.0)
                other = threading.Thread(target=report)
                other.start()
                flags = [context.Event() for _ in range(4)]
                workers = [context.Process(target=load, args=each) for each in enumerate(flags)]
                for worker in workers:
                    worker.start()
                for flag in flags:
                    assert flag.wait(60)
                for number, worker in enumerate(workers):
                    worker.kill() if number % 2 else worker.terminate()
                    worker.join()
                go_on = False
                other.join()
                print([worker.exitcode for worker in workers])
    """
    done = workshop.train(script)
    assert (done.returncode, done.stdout) == (0, "[-15, -9, -15, -9]\n")
    told = told_by(workshop.events())
    assert {f"m{number}": told[f"m{number}"] for number in range(4)} == {f"m{n}": list(range(50)) for n in range(4)}
    assert workshop.states() == ["START", "COMPLETE"]


def test_a_spawned_process_that_knows_no_run_is_told_so_once_and_goes_on(workshop) -> None:
    script = """
        import multiprocessing, modeltrail
        def work():
            for step in range(10):
                modeltrail.log_metric("loss", 1.0, step=step)
        if __name__ == "__main__":
            with modeltrail.start_run(job="train", capture=False):
                worker = multiprocessing.get_context("spawn").Process(target=work)
                worker.start()
                worker.join()
                assert worker.exitcode == 0
    """
    done = workshop.train(script)
    assert done.returncode == 0
    assert done.stderr.count("there is no active run") == 1
    assert "Traceback" not in done.stderr
    assert workshop.states() == ["START", "COMPLETE"]
