"""Choices of how conversion of modules works, that PyTorch means to change one day."""

_overwrite_module_params_on_conversion: bool = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether `Module.to` and its like make new parameters instead of changing the data of those that are there."""
    global _overwrite_module_params_on_conversion
    _overwrite_module_params_on_conversion = value


def get_overwrite_module_params_on_conversion() -> bool:
    """What `set_overwrite_module_params_on_conversion` said."""
    return _overwrite_module_params_on_conversion


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether conversion exchanges the contents of tensors: not implemented, True raises NotImplementedError."""
    if value:
        raise NotImplementedError(
            "set_swap_module_params_on_conversion(True): exchanging the contents of tensors is not implemented, "
            "use set_overwrite_module_params_on_conversion"
        )


def get_swap_module_params_on_conversion() -> bool:
    """Always False: see `set_swap_module_params_on_conversion`."""
    return False
