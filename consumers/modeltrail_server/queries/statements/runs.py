"""The statements that select runs, each with its job. Builds, runs nothing."""

from typing import Any

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.statements.parts import among, remembered, row_limit


@remembered
def runs_by_key(tables: Tables) -> Select[Any]:
    """Select the runs :keys, each with its job's name."""
    return _runs(tables).where(among(tables.run.c.run_key, "keys"))


@remembered
def runs_between(tables: Tables) -> Select[Any]:
    """Select the runs whose key lies in :low_key … :high_key."""
    run = tables.run
    statement = _runs(tables).where(run.c.run_key >= bindparam("low_key"), run.c.run_key <= bindparam("high_key"))
    return statement.order_by(run.c.run_key).limit(row_limit())


@remembered
def last_runs_of_job(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the runs of job :key, the last to begin first."""
    run = tables.run
    statement = _heard_of(_runs(tables).where(run.c.job_key == bindparam("key")), tables, as_of)
    return statement.order_by(run.c.first_time_ns.desc()).limit(row_limit())


@remembered
def parts_of_runs(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the runs whose parent is one of :keys, the last to begin first.

    Ordered by a sum, which no index has: PostgreSQL would read all runs in the order of time until enough are found.
    """
    statement = _heard_of(_runs(tables).where(among(tables.run.c.parent_key, "keys")), tables, as_of)
    began_ns = tables.run.c.first_time_ns + literal_column("0")
    return statement.order_by(began_ns.desc()).limit(row_limit())


@remembered
def runs_page(tables: Tables, as_of: AsOf | None, *, of_job: bool, since: bool, after: bool) -> Select[Any]:
    """Select runs, the last to begin first: of job :job_key, begun at or after :since_ns, after (:time_ns, :key)."""
    run = tables.run
    statement = _heard_of(_runs(tables), tables, as_of)
    if of_job:
        statement = statement.where(run.c.job_key == bindparam("job_key"))
    if since:
        statement = statement.where(run.c.first_time_ns >= bindparam("since_ns"))
    if after:
        before_it = and_(run.c.first_time_ns == bindparam("time_ns"), run.c.run_key < bindparam("key"))
        statement = statement.where(run.c.first_time_ns <= bindparam("time_ns"))
        statement = statement.where(or_(run.c.first_time_ns < bindparam("time_ns"), before_it))
    return statement.order_by(run.c.first_time_ns.desc(), run.c.run_key.desc()).limit(row_limit())


@remembered
def count_runs(tables: Tables) -> Select[Any]:
    """Count the runs, no further than :row_limit."""
    return select(func.count()).select_from(select(tables.run.c.run_key).limit(row_limit()).subquery())


def _runs(tables: Tables) -> Select[Any]:
    run, job = tables.run, tables.entity
    own = (run.c.run_key, run.c.run_id, run.c.state, run.c.state_terminal, run.c.state_time_ns, run.c.parent_key)
    columns = (*own, run.c.first_time_ns, run.c.last_time_ns, job.c.namespace, job.c.name)
    return select(*columns).select_from(run.outerjoin(job, job.c.entity_key == run.c.job_key))


def _heard_of(statement: Select[Any], tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Return ``statement`` without the runs that no event within ``as_of`` tells of."""
    if as_of is None:
        return statement
    run, event = tables.run, tables.event
    told: Select[Any] = (
        select(literal_column("1")).where(event.c.run_key == run.c.run_key, as_of.condition(event)).correlate(run)
    )
    return statement.where(told.exists())
