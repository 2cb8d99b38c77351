"""Bringing a model from the Hugging Face hub to this machine, or finding it in the cache.

Only data files are fetched (configuration, tokenizer, safetensors): no Python, no pickles. The
account's token stays with ``huggingface_hub``, which sends it to the hub alone.
"""

from __future__ import annotations

from pathlib import Path

from gensdk.errors import (
    GenSDKError,
    ModelLoadError,
    ModelNotDownloadedError,
    ModelNotFoundError,
    PermissionDeniedError,
)

__all__ = ["DATA_FILES", "snapshot"]

DATA_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.tiktoken")
"""Names of the files a text model consists of."""


def snapshot(
    repository: str, revision: str | None, *, offline: bool, cache_dir: Path | None
) -> Path:
    """Return the folder of one commit of a hub model, downloading what is missing.

    Raises:
        ModelNotDownloadedError: Not in the cache, and offline or the hub cannot be reached.
        ModelNotFoundError: The hub does not know the model or the revision.
        PermissionDeniedError: The model is gated and this account has no access.
        ModelLoadError: The snapshot could not be written.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=offline,
            allow_patterns=list(DATA_FILES),
            library_name="gensdk",
        )
    except Exception as error:  # which HTTP library raises is the hub's business
        raise _typed(error, repository, revision, offline) from error
    return Path(str(folder))


def _typed(error: Exception, repository: str, revision: str | None, offline: bool) -> GenSDKError:
    from huggingface_hub import errors as hub

    name = f"{repository}@{revision}" if revision else repository
    if isinstance(error, hub.GatedRepoError):
        return PermissionDeniedError(
            f"{repository} is gated: accept its licence at https://huggingface.co/{repository} "
            "and log in with 'hf auth login' (or set HF_TOKEN)"
        )
    if isinstance(error, hub.RepositoryNotFoundError | hub.RevisionNotFoundError):
        return ModelNotFoundError(f"the hub does not know {name}, or this account may not see it")
    if isinstance(error, hub.HFValidationError):
        return ModelNotFoundError(f"{name!r} is no valid hub id: {error}")
    if _not_reached(error):
        why = "this client is offline" if offline else "the hub cannot be reached"
        command = f"hf download {repository}" + (f" --revision {revision}" if revision else "")
        return ModelNotDownloadedError(
            f"{name} is not on this machine and {why}; download it with '{command}', or name a "
            "folder ('local:./path')"
        )
    return ModelLoadError(f"{name} could not be brought here: {type(error).__name__}: {error}")


def _not_reached(error: Exception) -> bool:
    from huggingface_hub import errors as hub

    unreachable = (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled, hub.HfHubHTTPError)
    from_transport = type(error).__module__.partition(".")[0] in {"httpx", "httpx2", "httpcore"}
    return from_transport or isinstance(error, (*unreachable, ConnectionError, TimeoutError))
