"""Weights of models that analyse: from a local folder, from the hub's cache, or from the hub itself."""

from pathlib import Path

from layercast_common.errors import MissingModelError

#: How long the hub may take to answer before only what is on this machine counts, in seconds.
HUB_TIMEOUT = 10.0


def is_local(weights: str) -> bool:
    """Whether weights can only come from this machine: a folder, or an id that the hub does not answer for.

    Without this question first, the loaders retry for minutes where there is no network.
    """
    if Path(weights).is_dir():
        return True
    import huggingface_hub

    try:
        huggingface_hub.model_info(weights, timeout=HUB_TIMEOUT)
    except Exception:  # the hub's client lets errors of whatever HTTP library it uses through
        return True
    return False


def missing_weights(what: str, weights: str, way_out: str) -> MissingModelError:
    """The error for weights that are nowhere.

    Args:
        what: whose weights.
        weights: the folder or hub id that was asked for.
        way_out: what else can be done.
    """
    if Path(weights).is_dir():
        return MissingModelError(f"the folder {weights} lacks files of {what}; name a complete one, or {way_out}")
    if weights.count("/") != 1 or weights.startswith((".", "~", "/")):
        return MissingModelError(f"there is no folder {weights} with {what}; name one or a hub id, or {way_out}")
    return MissingModelError(
        f"the weights {weights} of {what} are not on this machine: run 'hf download {weights}' where there is a "
        f"network, name a local folder, or {way_out}"
    )
