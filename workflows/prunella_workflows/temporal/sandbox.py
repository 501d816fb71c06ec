"""The one list of modules that the workflow sandbox passes through; used by worker, tests and replay alike."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions


def workflow_runner() -> SandboxedWorkflowRunner:
    """The runner for our workflows. The package is deterministic by contract (ruff and import-linter hold it)."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("prunella_workflows", "pydantic_core")
    return SandboxedWorkflowRunner(restrictions=restrictions)
