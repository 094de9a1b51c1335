"""Errors of the hub in words that name the way out. Loads no torch."""

import errno
from pathlib import Path

from layercast_common.errors import LayercastError, MissingModelError, StorageError, UnknownModelError


def explain_hub_error(error: Exception, hub_id: str, revision: str | None = None) -> LayercastError:
    """Return the error to raise for a failed request to the hub.

    Args:
        error: what the hub's client raised.
        hub_id: OWNER/NAME of the repository.
        revision: the requested revision; None for the newest.
    """
    from huggingface_hub import constants, errors, get_token

    page = f"{constants.ENDPOINT}/{hub_id}"
    match error:
        case errors.GatedRepoError():
            access = (
                "the account of your token has no access yet"
                if get_token()
                else f"then make a token at {constants.ENDPOINT}/settings/tokens and set HF_TOKEN to it"
            )
            return MissingModelError(f"{hub_id} is gated: accept its licence at {page}; {access}")
        case errors.DisabledRepoError():
            return UnknownModelError(f"the hub has disabled {hub_id}; see {page}")
        case errors.RevisionNotFoundError():
            return UnknownModelError(f"{hub_id} has no revision {revision}; its revisions are at {page}/commits/main")
        case errors.RepositoryNotFoundError():
            return UnknownModelError(
                f"the hub has no model {hub_id}; check the spelling at {page}, and set HF_TOKEN if it is private"
            )
        case errors.OfflineModeIsEnabled():
            return offline(hub_id)
        case errors.HfHubHTTPError():
            return MissingModelError(
                f"{constants.ENDPOINT} answers {error.response.status_code} for {hub_id}; {_endpoint_hint()} "
                "try again later: the download resumes"
            )
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EACCES | errno.EROFS):
            return StorageError.of(error, Path(constants.HF_HUB_CACHE), "cannot be written")
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return MissingModelError(
        f"cannot reach {constants.ENDPOINT} for {hub_id}: {reason}; check the connection and the proxy "
        f"(HTTPS_PROXY); {_endpoint_hint()} try again: the download resumes"
    )


def offline(hub_id: str) -> MissingModelError:
    """Return the error for a fetch while `HF_HUB_OFFLINE` is set."""
    return MissingModelError(
        f"{hub_id} cannot be fetched while HF_HUB_OFFLINE is set; unset it, or copy the model's folder here and use "
        "its path"
    )


def _endpoint_hint() -> str:
    from huggingface_hub import constants

    if constants.ENDPOINT == "https://huggingface.co":
        return "HF_ENDPOINT names a mirror;"
    return f"HF_ENDPOINT is {constants.ENDPOINT}: check that this mirror has the model;"
