"""`Module`: the base class of everything that has parameters."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload
from weakref import ref

import rushlight
from rushlight import _C, Tensor
from rushlight.nn.modules import _hooks
from rushlight.nn.modules._convert import keeps_identity, parse_to
from rushlight.nn.modules._hooks import (
    CALL_HOOKS,
    HookMixin,
    _global_buffer_registration_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    registered,
)
from rushlight.nn.modules._registry import Registry, _addindent, _set, typename
from rushlight.nn.modules._state_dict import _EXTRA_STATE_KEY_SUFFIX, StateDictMixin, _IncompatibleKeys  # noqa: F401
from rushlight.nn.parameter import Buffer, Parameter

__all__ = [
    "register_module_forward_pre_hook",
    "register_module_forward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_backward_hook",
    "register_module_full_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "Module",
]

T = TypeVar("T", bound="Module")
T_destination = TypeVar("T_destination", bound=dict[str, Any])

_TABLES = ("_parameters", "_buffers", "_modules")
# What a module has apart from its members. Few modules use any of it, so each is made when it is first asked for.
_ON_DEMAND = dict.fromkeys((
    "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
), OrderedDict) | {"_non_persistent_buffers_set": set}  # fmt: skip
_NOT_PICKLED = ("_hooked", "_compiled_call_impl")


def _forward_unimplemented(self: "Module", *input: Any) -> None:
    """Compute the output; every subclass defines it. Raises NotImplementedError."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(HookMixin, StateDictMixin, _C._ModuleBase):
    """A part of a model: its parameters, buffers and submodules are those assigned to its attributes.

    A subclass calls `super().__init__()` before it assigns any, and defines `forward`.
    """

    dump_patches: bool = False
    _version: int = 1  # of the state_dict's layout; written to its metadata
    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable | None = None
    _is_full_backward_hook: bool | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        self._begin(Registry)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    # ------------------------------------------------------------------ members

    def _check_name(self, name: Any, kind: str, table: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if hasattr(self, name) and name not in table:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def _table(self, table: str, kind: str) -> Registry:
        try:
            return self.__dict__[table]
        except KeyError:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call") from None

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not a parameter; one that is not `persistent` stays out of `state_dict`."""
        table = self._table("_buffers", "buffer")
        self._check_name(name, "buffer", table)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        table[name] = registered(_global_buffer_registration_hooks, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None for one that this module could have and does not."""
        table = self._table("_parameters", "parameter")
        self._check_name(name, "parameter", table)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                    "forward() method."
                )
            param = registered(_global_parameter_registration_hooks, self, name, param)
        table[name] = param

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a child, or None, that can be reached as the attribute `name`."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        self._modules[name] = registered(_global_module_registration_hooks, self, name, module)

    def register_module(self, name: str, module: "Module | None") -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def get_submodule(self, target: str) -> "Module":
        """Descendant of the dotted name `target`; the empty name is this module. AttributeError if there is none."""
        module: Module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: "Module", strict: bool = False) -> None:
        """Replace the descendant of dotted name `target`, or add it; `strict` only replaces."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _get_member(self, target: str) -> tuple["Module", str, Any]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        return owner, name, getattr(owner, name)

    def get_parameter(self, target: str) -> Parameter:
        """Parameter of the dotted name `target`. AttributeError if there is none."""
        _, name, param = self._get_member(target)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """Buffer of the dotted name `target`. AttributeError if there is none."""
        owner, name, buffer = self._get_member(target)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    # ------------------------------------------------------------------ attributes

    def __getattr__(self, name: str) -> Any:
        # Members are ordinary attributes (Note [ Members are attributes ]); only what a class attribute hides, or what
        # does not exist, comes here.
        for table in _TABLES:
            members = self.__dict__.get(table)
            if members is not None and name in members:
                return members[name]
        if name in _ON_DEMAND:
            value = _ON_DEMAND[name]()
            _set(self, name, value)
            if name in CALL_HOOKS:
                _set(self, "_hooked", True)  # somebody may write to the table; a call finds out
            return value
        attribute = getattr(type(self), name, None)
        if isinstance(attribute, property):
            return attribute.fget(self)  # its AttributeError says what is missing; Python had swallowed it
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute, unless `_C._ModuleBase` saw at once that it is neither a member nor takes a member's place."""
        if isinstance(value, Tensor) and isinstance(value, Parameter):
            self._table("_parameters", "parameters")
            self._remove_member(name, self.__dict__, self._buffers, self._modules, self._non_persistent_buffers_set)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            modules = self._table("_modules", "module")
            self._remove_member(name, self.__dict__, self._parameters, self._buffers, self._non_persistent_buffers_set)
            modules[name] = registered(_global_module_registration_hooks, self, name, value)
        elif isinstance(value, Tensor) and isinstance(value, Buffer):
            self._table("_buffers", "buffers")
            self._remove_member(name, self.__dict__, self._parameters, self._modules)
            self.register_buffer(name, value, value.persistent)
        else:
            self._set_plain(name, value)

    def _set_plain(self, name: str, value: Any) -> None:
        """Set an attribute to what is no parameter, module or Buffer: a name that holds a member takes few values."""
        tables = self.__dict__
        if name in tables.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif name in tables.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            self._modules[name] = registered(_global_module_registration_hooks, self, name, None)
        elif name in tables.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            self._buffers[name] = registered(_global_buffer_registration_hooks, self, name, value)
        elif name in _TABLES:
            if name in tables:
                tables[name].detach()
            _set(self, name, Registry.of(ref(self), value))
        else:
            if name in CALL_HOOKS:
                _set(self, "_hooked", True)
            _set(self, name, value)

    @staticmethod
    def _remove_member(name: str, *places: Any) -> None:
        for place in places:
            if name in place:
                if isinstance(place, dict):
                    del place[name]
                else:
                    place.discard(name)

    def __delattr__(self, name: str) -> None:
        for table in _TABLES:
            members = self.__dict__.get(table, ())
            if name in members:
                del members[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted({name for name in names if not name[0].isdigit()})

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in _NOT_PICKLED}
        for name, make in _ON_DEMAND.items():  # PyTorch reads such a file as well, and has no module without them
            state.setdefault(name, make())
        state.setdefault("_is_full_backward_hook", None)
        for table in _TABLES:
            members = state.get(table)
            if members is None:
                continue
            for name, member in members.items():
                if state.get(name, self) is member:
                    del state[name]
            state[table] = dict(members)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for table in _TABLES:
            _set(self, table, Registry.of(ref(self), state.get(table, ())))
        _set(self, "_hooked", self._has_call_hooks())

    # ------------------------------------------------------------------ conversion

    def apply(self, fn: Callable[["Module"], None]) -> "Module":
        """Call `fn` on every descendant, children first, then on this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Module":
        """Replace every parameter, its gradient, and every buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is None:
                continue
            with rushlight.no_grad():
                moved = fn(param)
            if keeps_identity(param, moved):
                param.data = moved
                kept = param
            else:
                kept = Parameter(moved, param.requires_grad)
                self._parameters[name] = kept
            if param.grad is not None:
                self._apply_to_gradient(fn, param, kept)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    @staticmethod
    def _apply_to_gradient(fn: Callable[[Tensor], Tensor], param: Parameter, kept: Parameter) -> None:
        with rushlight.no_grad():
            moved = fn(param.grad)
        if kept is param and keeps_identity(param.grad, moved):
            param.grad.data = moved
        else:
            kept.grad = moved.requires_grad_(param.grad.requires_grad)

    def cuda(self, device: "int | rushlight.device | None" = None) -> "Module":
        """Move to a GPU: raises, since Rushlight computes on the CPU."""
        return self._apply(lambda t: t.cuda(device))

    def ipu(self, device: "int | rushlight.device | None" = None) -> "Module":
        """Move to an IPU: raises, since Rushlight computes on the CPU."""
        raise RuntimeError("PyTorch is not linked with support for ipu devices")

    def xpu(self, device: "int | rushlight.device | None" = None) -> "Module":
        """Move to an XPU: raises, since Rushlight computes on the CPU."""
        raise AssertionError("Torch not compiled with XPU enabled")

    def mtia(self, device: "int | rushlight.device | None" = None) -> "Module":
        """Move to an MTIA device: raises, since Rushlight computes on the CPU."""
        raise AssertionError("Torch not compiled with MTIA enabled.")

    def cpu(self) -> "Module":
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: "rushlight.dtype | str") -> "Module":
        """Convert all parameters and buffers to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> "Module":
        """Convert the floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> "Module":
        """Convert the floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> "Module":
        """Convert the floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> "Module":
        """Convert the floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self, *, device: "str | rushlight.device | int | None", recurse: bool = True) -> "Module":
        """Move to `device` without copying: the values are not initialised."""
        return self._apply(lambda t: rushlight.empty_like(t, device=device), recurse=recurse)

    @overload
    def to(self, device: Any = ..., dtype: "rushlight.dtype | None" = ..., non_blocking: bool = ...) -> "Module": ...
    @overload
    def to(self, dtype: "rushlight.dtype", non_blocking: bool = ...) -> "Module": ...
    @overload
    def to(self, tensor: Tensor, non_blocking: bool = ...) -> "Module": ...
    def to(self, *args: Any, **kwargs: Any) -> "Module":
        """Move to a device, convert the floating-point members to a dtype, and the 4-D ones to a memory format."""
        device, dtype, non_blocking, memory_format = parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and some "
                    "modules might not work as expected when using complex tensors as parameters or buffers.",
                    stacklevel=2,
                )

        def convert(t: Tensor) -> Tensor:
            target = dtype if t.is_floating_point() or t.is_complex() else None
            if t.is_meta and device is not None and rushlight.device(device).type != "meta":
                raise NotImplementedError(
                    "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device."
                )
            if memory_format is not None and t.dim() in (4, 5):
                return t.to(device=device, dtype=target, non_blocking=non_blocking, memory_format=memory_format)
            return t.to(device=device, dtype=target, non_blocking=non_blocking)

        return self._apply(convert)

    # ------------------------------------------------------------------ walking

    def _named_members(
        self,
        get_members_fn: Callable[["Module"], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield (f"{path}.{name}" if path else name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters of this module and, with `recurse`, of its descendants, each once."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs of dotted name and parameter."""
        yield from self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers of this module and, with `recurse`, of its descendants, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs of dotted name and buffer."""
        yield from self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def children(self) -> Iterator["Module"]:
        """The direct children, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Pairs of name and direct child."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator["Module"]:
        """This module and all its descendants, each once."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set["Module"] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """Pairs of dotted name and module: this one under `prefix`, then its descendants."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    # ------------------------------------------------------------------ modes

    def train(self, mode: bool = True) -> "Module":
        """Set training mode, or evaluation mode, here and in all descendants (dropout, batch norm)."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        _set(self, "training", mode)
        for module in self._modules.values():
            if module is not None:
                module.train(mode)
        return self

    def eval(self) -> "Module":
        """Set evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Say for all parameters whether gradients are recorded."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The parameters are "
                "copied (in a differentiable manner) from the original module. This means they are not leaf nodes in "
                "autograd and so don't accumulate gradients. If you need gradients in your forward method, consider "
                "using autograd.grad instead.",
                stacklevel=2,
            )
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
                continue
            if param.grad.grad_fn is not None:
                param.grad.detach_()
            else:
                param.grad.requires_grad_(False)
            param.grad.zero_()

    def share_memory(self) -> "Module":
        """Move all parameters and buffers to memory that other processes can map."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accepted for programs that compile their model: calls keep their eager meaning."""
        self._compiled_call_impl = rushlight.compile(self._call_impl, *args, **kwargs)

    def _replicate_for_data_parallel(self) -> "Module":
        replica = self.__new__(type(self))
        state = self.__getstate__()
        state.update(_parameters={}, _buffers=dict(self._buffers), _modules=dict(self._modules))
        replica.__setstate__(state)
        replica._is_replica = True
        return replica

    # ------------------------------------------------------------------ printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What to print of this module beside its name and children."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


def __getattr__(name: str) -> Any:
    # The tables of global hooks live where they are used, and are asked for here.
    if name.startswith(("_global_", "_has_any_global", "_WrappedHook", "BackwardHook", "RemovableHandle")):
        return getattr(_hooks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
