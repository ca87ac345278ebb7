"""The standard facets of runs and jobs that mean what a typed field means: each read to it and written from it.

Pure. Reading takes whatever producers send and passes over what does not fit; what is written is valid against the
specification's JSON schemas. Facets that no typed field means stay in the document: column lineage, symlinks and
nominal time are read from there by who asks, job type, life cycle state, source code … are not read.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from modeltrail_schemas.event import Description, Environment, RunError, SourceCode
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import NO_JOB, EntityRef, JobName
from modeltrail_schemas.openlineage.documents import Json, name_of, object_of, objects_of, text_of

PRODUCER = "urn:modeltrail"
SPECIFICATION = "https://openlineage.io/spec"
OUR_PREFIX = "modeltrail_"

Facets = Mapping[str, Mapping[str, Json]]
Written = dict[str, Any]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")


def is_uri(text: str) -> bool:
    """Tell whether ``text`` has the form of an absolute URI (RFC 3986), as far as validators look."""
    return _URI.fullmatch(text) is not None and "[" not in text and not re.search("%(?![0-9A-Fa-f]{2})", text)


def standard_facet(kind: str, version: str, /, **members: Any) -> Written:
    """Return a facet of the specification; members that are None are left out."""
    told = {name: value for name, value in members.items() if value is not None}
    return {"_producer": PRODUCER, "_schemaURL": f"{SPECIFICATION}/facets/{version}/{kind}.json#/$defs/{kind}"} | told


def our_facet(name: str, members: Mapping[str, Any]) -> Written:
    """Return a facet of ours; its schema is named, not published."""
    return {"_producer": PRODUCER, "_schemaURL": f"urn:modeltrail:facet:1:{name}"} | dict(members)


def read_parent(facets: Facets) -> tuple[str, JobName]:
    """Return the parent's run id and job, empty where not told."""
    parent = facets.get("parent", {})
    return canonical_run_id(text_of(object_of(parent.get("run")).get("runId"))), read_job(parent.get("job"))


def write_parent(run_id: str, job: JobName) -> Written:
    """Return the parent facet; ``run_id`` is a UUID."""
    return standard_facet("ParentRunFacet", "1-2-0", run={"runId": run_id}, job=write_job(job))


def read_job(node: Json) -> JobName:
    """Return the job that ``node`` names; no job if it names none."""
    job = object_of(node)
    return JobName(name_of(job.get("namespace")), name_of(job.get("name"))) if job else NO_JOB


def write_job(job: JobName) -> Written:
    """Return the two parts of a job's name."""
    return {"namespace": job.namespace, "name": job.name}


def read_error(facets: Facets) -> RunError | None:
    """Return why the run failed."""
    facet = facets.get("errorMessage")
    if facet is None:
        return None
    return RunError("", text_of(facet.get("message")), text_of(facet.get("stackTrace")))


def write_error(error: RunError) -> Written:
    """Return the error facet."""
    return standard_facet(
        "ErrorMessageRunFacet",
        "1-0-1",
        message=error.message,
        programmingLanguage="python",
        stackTrace=error.stack_trace or None,
    )


def read_code(facets: Facets) -> SourceCode | None:
    """Return where the job's code came from."""
    facet = facets.get("sourceCodeLocation")
    if facet is None:
        return None
    return SourceCode(
        repository=text_of(facet.get("repoUrl")) or text_of(facet.get("url")),
        commit=text_of(facet.get("version")),
        branch=text_of(facet.get("branch")),
        entry_point=text_of(facet.get("path")),
    )


def write_code(code: SourceCode) -> Written | None:
    """Return the facet; None where no URL can be told, which the specification demands."""
    url = re.sub(r"\A([\w.-]+@)?([\w.-]+):(?!//)", r"ssh://\1\2/", code.repository, flags=re.ASCII)
    if not is_uri(url):
        return None
    return standard_facet(
        "SourceCodeLocationJobFacet",
        "1-1-0",
        type="git",
        url=url,
        repoUrl=code.repository,
        path=code.entry_point or None,
        version=code.commit or None,
        branch=code.branch or None,
    )


def read_environment(facets: Facets) -> Environment | None:
    """Return the environment variables, and the processing engine as a package."""
    listed = objects_of(facets.get("environmentVariables", {}).get("environmentVariables"))
    variables = {text_of(item.get("name")): text_of(item.get("value")) for item in listed}
    engine = facets.get("processing_engine", {})
    version = text_of(engine.get("version"))
    packages = {text_of(engine.get("name")) or "processing_engine": version} if version else {}
    return Environment(packages=packages, variables=variables) if variables or packages else None


def write_environment(environment: Environment) -> Written | None:
    """Return the environment variables' facet; None without any."""
    listed = [{"name": name, "value": value} for name, value in environment.variables.items()]
    return standard_facet("EnvironmentVariablesRunFacet", "1-0-0", environmentVariables=listed) if listed else None


def read_tags(facets: Facets) -> dict[str, str]:
    """Return the tags of the whole thing; those of one column are not among them."""
    listed = objects_of(facets.get("tags", {}).get("tags"))
    return {text_of(tag.get("key")): text_of(tag.get("value")) for tag in listed if not tag.get("field")}


def write_tags(tags: Mapping[str, str], kind: str) -> Written:
    """Return the tags facet; ``kind`` is Run, Job or Dataset."""
    listed = [{"key": key, "value": value, "source": "USER"} for key, value in tags.items()]
    return standard_facet(f"Tags{kind}Facet", "1-0-0", tags=listed)


def read_parameters(facets: Facets) -> dict[str, str]:
    """Return the execution parameters: each value, a string in OpenLineage, as JSON text."""
    listed = objects_of(facets.get("executionParameters", {}).get("parameters"))
    return {text_of(item.get("key")): json.dumps(text_of(item.get("value"))) for item in listed}


def write_parameters(parameters: Mapping[str, str]) -> Written:
    """Return the execution parameters' facet, each value as JSON text."""
    listed = [{"key": name, "value": value} for name, value in parameters.items()]
    return standard_facet("ExecutionParametersRunFacet", "1-0-0", parameters=listed)


def read_description(facets: Facets, entity: EntityRef) -> Description | None:
    """Return the documentation and owners of a job or dataset."""
    text = text_of(facets.get("documentation", {}).get("description"))
    listed = objects_of(facets.get("ownership", {}).get("owners"))
    owners = tuple(name for owner in listed if (name := text_of(owner.get("name"))))
    return Description(entity, text, owners) if text or owners else None


def write_description(description: Description, kind: str) -> dict[str, Written]:
    """Return the documentation and ownership facets; ``kind`` is Job or Dataset."""
    written = {}
    if description.text:
        documentation = standard_facet(f"Documentation{kind}Facet", "1-1-0", description=description.text)
        written["documentation"] = documentation
    if description.owners:
        owners = [{"name": name} for name in description.owners]
        written["ownership"] = standard_facet(f"Ownership{kind}Facet", "1-0-1", owners=owners)
    return written
