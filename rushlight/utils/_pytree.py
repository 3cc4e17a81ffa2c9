"""Trees of containers: taking their leaves apart and putting them together again."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = [
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any
Context = Any


class NodeDef(NamedTuple):
    """How a container is taken apart and put together."""

    type: type
    flatten_fn: Callable[[Any], tuple[list[Any], Context]]
    unflatten_fn: Callable[[Iterable[Any], Context], Any]


SUPPORTED_NODES: dict[type, NodeDef] = {}


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[list[Any], Context]],
    unflatten_fn: Callable[[Iterable[Any], Context], Any],
    **unused: Any,
) -> None:
    """Let a class be a container: `flatten_fn` gives (children, context), `unflatten_fn` makes it of them."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node


def _register_containers() -> None:
    def mapping(make: Callable[[Any, Any], Any], context: Callable[[Any], Any]) -> tuple[Callable, Callable]:
        return lambda d: (list(d.values()), (context(d), list(d))), lambda v, c: make(c[0], zip(c[1], v, strict=True))

    register_pytree_node(list, lambda d: (d, None), lambda v, c: list(v))
    register_pytree_node(tuple, lambda d: (list(d), None), lambda v, c: tuple(v))
    register_pytree_node(dict, lambda d: (list(d.values()), list(d)), lambda v, c: dict(zip(c, v, strict=True)))
    register_pytree_node(
        OrderedDict, lambda d: (list(d.values()), list(d)), lambda v, c: OrderedDict(zip(c, v, strict=True))
    )
    register_pytree_node(defaultdict, *mapping(lambda f, items: defaultdict(f, items), lambda d: d.default_factory))
    register_pytree_node(deque, lambda d: (list(d), d.maxlen), lambda v, c: deque(v, maxlen=c))
    register_pytree_node(namedtuple, lambda d: (list(d), type(d)), lambda v, c: c(*v))  # type: ignore[arg-type]


_register_containers()


def is_namedtuple_instance(tree: Any) -> bool:
    """Whether a value is a named tuple."""
    return isinstance(tree, tuple) and type(tree) is not tuple and hasattr(tree, "_fields")


def _kind(tree: Any) -> Any:
    kind = type(tree)
    if kind in SUPPORTED_NODES:
        return kind
    if is_namedtuple_instance(tree):
        return namedtuple
    if kind.__bases__ == (tuple,) and hasattr(kind, "n_sequence_fields"):  # a result like torch.return_types.max
        return tuple
    return None


@dataclass(frozen=True)
class TreeSpec:
    """The shape of a tree: which containers, and how many leaves."""

    type: Any
    context: Context
    children_specs: tuple["TreeSpec", ...]

    @property
    def num_leaves(self) -> int:
        """The number of leaves."""
        return 1 if self.type is None else sum(child.num_leaves for child in self.children_specs)

    @property
    def num_children(self) -> int:
        """The number of children."""
        return len(self.children_specs)

    @property
    def num_nodes(self) -> int:
        """The number of containers and leaves."""
        return 1 + sum(child.num_nodes for child in self.children_specs)

    def is_leaf(self) -> bool:
        """Whether the tree is one leaf."""
        return self.type is None

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        return f"TreeSpec({self.type.__name__}, {self.context}, [{', '.join(map(repr, self.children_specs))}])"


LeafSpec = TreeSpec(None, None, ())


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves and the shape of a tree."""
    leaves: list[Any] = []

    def walk(node: Any) -> TreeSpec:
        kind = None if is_leaf is not None and is_leaf(node) else _kind(node)
        if kind is None:
            leaves.append(node)
            return LeafSpec
        children, context = SUPPORTED_NODES[kind].flatten_fn(node)
        return TreeSpec(kind, context, tuple(walk(child) for child in children))

    spec = walk(tree)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The tree of these leaves and this shape."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got {treespec}"
        )
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a pytree "
            f"that holds {treespec.num_leaves} items ({treespec})."
        )
    remaining = iter(leaves)

    def build(spec: TreeSpec) -> Any:
        if spec.type is None:
            return next(remaining)
        return SUPPORTED_NODES[spec.type].unflatten_fn([build(child) for child in spec.children_specs], spec.context)

    return build(treespec)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Iterable[Any]:
    """An iterator over the leaves of a tree."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The shape of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def _up_to(tree: Any, spec: TreeSpec) -> list[Any]:
    """What a tree has in the places of another's leaves."""
    if spec.type is None:
        return [tree]
    if _kind(tree) is not spec.type:
        raise ValueError(f"Type mismatch; expected {spec.type!r}, but got {type(tree)!r}.")
    children, context = SUPPORTED_NODES[spec.type].flatten_fn(tree)
    if len(children) != len(spec.children_specs):
        raise ValueError(f"Node arity mismatch; expected {len(spec.children_specs)}, but got {len(children)}.")
    if spec.type in (dict, OrderedDict) and context != spec.context:
        if set(context) != set(spec.context):
            raise ValueError(f"Node keys mismatch; expected {spec.context}, but got {context}.")
        children = [tree[key] for key in spec.context]
    return [
        part
        for child, child_spec in zip(children, spec.children_specs, strict=True)
        for part in _up_to(child, child_spec)
    ]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of `func(leaf, *leaves of the others at that place)`."""
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *(_up_to(rest, spec) for rest in rests)]
    return tree_unflatten(map(func, *columns), spec)


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Call `func` on every leaf and return the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(
    type_or_types: Any, func: Callable | None = None, tree: Any = None, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """`tree_map` that leaves alone what is not an instance of the types (or does not meet a predicate)."""
    is_predicate = callable(type_or_types) and not isinstance(type_or_types, type)
    wanted = type_or_types if is_predicate else lambda x: isinstance(x, type_or_types)
    return tree_map(lambda x: func(x) if wanted(x) else x, tree, is_leaf=is_leaf)  # type: ignore[misc]


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether all leaves meet a predicate."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether a leaf meets a predicate."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
