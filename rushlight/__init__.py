"""Rushlight: PyTorch's programming model on a small native CPU core of its own.

`import rushlight as torch`, or `python -m rushlight.torch script.py` for a script that says `import torch`.
"""

from __future__ import annotations

import math as _math
import os as _os

# Libraries read these when they are loaded. libgomp's waiting threads spin for longer than it takes to wake one of them (else each
# would wait for the other to wake, again and again), then sleep; OpenBLAS makes no threads of its own, as work is divided above
# it. Children, and other libraries of this process, must not inherit them.
_settings = {"GOMP_SPINCOUNT": "5000", "OPENBLAS_NUM_THREADS": "1"}
_added = {name: value for name, value in _settings.items() if name not in _os.environ}
_os.environ.update(_added)
from rushlight import _C  # noqa: E402

for _name in _added:
    _os.environ.pop(_name, None)

__version__ = "2.13.0+rushlight"
e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None

from rushlight._C import (  # noqa: E402
    OutOfMemoryError,
    Size,
    Tensor,
    device,
    dtype,
    is_grad_enabled,
    is_inference_mode_enabled,
    layout,
    memory_format,
)

# Pickles name these types by this module; the alias renames them, with everything else, to torch.
for _type in (Tensor, Size, device, dtype, layout, memory_format, _C.Generator):
    _type.__module__ = "rushlight"
_C.UntypedStorage.__module__ = "rushlight.storage"

globals().update({name: value for name, value in vars(_C._functions).items() if not name.startswith("__")})
for _name in dir(_C):
    if isinstance(getattr(_C, _name), (dtype, layout, memory_format)):
        globals()[_name] = getattr(_C, _name)

from rushlight import _tensor_methods as _more_methods  # noqa: E402, F401
from rushlight._aten_names import *  # noqa: E402, F403
from rushlight._contraction import *  # noqa: E402, F403
from rushlight._decompositions import *  # noqa: E402, F403
from rushlight._numeric import *  # noqa: E402, F403
from rushlight._spectral import *  # noqa: E402, F403
from rushlight._tensor import (  # noqa: E402, F401
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    is_storage,
    is_tensor,
    set_printoptions,
)
from rushlight.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
from rushlight.functional import *  # noqa: E402, F403
from rushlight.random import *  # noqa: E402, F403

# What was built in, as PyTorch's flags: OpenBLAS gives LAPACK, MKL is not used.
has_lapack, has_mkl, has_openmp, has_spectral = True, False, True, True

from rushlight._deferred import defer as _defer  # noqa: E402

_defer(globals(), (
    "nn", "optim", "autograd", "func", "utils", "linalg", "fft", "special", "distributions", "serialization", "cuda",
    "backends", "jit", "compiler", "amp", "hub", "testing", "multiprocessing", "distributed", "overrides", "random",
    "functional", "cpu", "accelerator", "mps", "xpu", "types", "signal", "masked", "sparse", "profiler",
    "return_types", "torch", "storage", "_archive", "_utils", "_tensor_str", "version", "ops",
))  # fmt: skip
# Names that are public here and live in a submodule.
from rushlight._foreach import *  # noqa: E402, F403
from rushlight._lobpcg import lobpcg  # noqa: E402, F401
from rushlight.amp import (  # noqa: E402, F401
    GradScaler,
    autocast,
    autocast_decrement_nesting,
    autocast_increment_nesting,
    clear_autocast_cache,
    get_autocast_cpu_dtype,
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_cpu_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
    set_autocast_cpu_dtype,
    set_autocast_cpu_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)
from rushlight.compiler import compile  # noqa: E402, F401
from rushlight.func import vmap  # noqa: E402, F401
from rushlight.serialization import load, save  # noqa: E402, F401
from rushlight.sparse import (  # noqa: E402, F401
    hspmm,
    smm,
    sparse_bsc_tensor,
    sparse_bsr_tensor,
    sparse_compressed_tensor,
    sparse_coo_tensor,
    sparse_csc_tensor,
    sparse_csr_tensor,
    sspaddmm,
)
from rushlight.storage import (  # noqa: E402, F401
    BFloat16Storage,
    BoolStorage,
    ByteStorage,
    CharStorage,
    DoubleStorage,
    FloatStorage,
    HalfStorage,
    IntStorage,
    LongStorage,
    ShortStorage,
    Storage,
    TypedStorage,
    UntypedStorage,
)
