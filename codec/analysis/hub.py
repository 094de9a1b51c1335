"""Weights of analysis models: in a local folder, in the hub's cache, or on the hub."""

from pathlib import Path

from layercast_common.errors import MissingModelError

#: Timeout of the hub, in seconds; after it only local files are used.
HUB_TIMEOUT = 10.0


def is_local(weights: str) -> bool:
    """Return whether weights can only be loaded from this machine: a folder, or an id that the hub does not confirm.

    Without this check the loaders retry for minutes if there is no network.
    """
    if Path(weights).is_dir():
        return True
    import huggingface_hub

    try:
        huggingface_hub.model_info(weights, timeout=HUB_TIMEOUT)
    except Exception:  # the hub's client passes on errors of its HTTP library
        return True
    return False


def missing_weights(what: str, weights: str, way_out: str) -> MissingModelError:
    """Return the error for weights that cannot be found.

    Args:
        what: the model, for the message.
        weights: the requested folder or hub id.
        way_out: the alternative, for the message.
    """
    if Path(weights).is_dir():
        return MissingModelError(f"the folder {weights} lacks files of {what}; name a complete one, or {way_out}")
    if weights.count("/") != 1 or weights.startswith((".", "~", "/")):
        return MissingModelError(f"there is no folder {weights} with {what}; name one or a hub id, or {way_out}")
    return MissingModelError(
        f"the weights {weights} of {what} are not on this machine: run 'hf download {weights}' where there is a "
        f"network, name a local folder, or {way_out}"
    )
