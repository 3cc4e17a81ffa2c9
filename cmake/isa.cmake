# The kernels are compiled once for each level of the instruction set; the right copy is chosen at run time.
# Inside, RL_ISA is the namespace of the copy. csrc/ops/pointwise*.cpp is both: with RL_ISA it is its loops,
# without (in the main part) it is the registration of the operators.

file(GLOB isa_sources CONFIGURE_DEPENDS csrc/cpu/kernels/*.cpp csrc/ops/pointwise*.cpp)

set(isa_levels base)
set(isa_flags_base "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND isa_levels v3 v4)
  set(isa_flags_v3 -march=x86-64-v3)
  set(isa_flags_v4 -march=x86-64-v4 -mprefer-vector-width=512)
  target_compile_definitions(rushlight_flags INTERFACE RL_ISA_LEVELS=3)
else()
  target_compile_definitions(rushlight_flags INTERFACE RL_ISA_LEVELS=1)
endif()

set(isa_objects)
if(isa_sources)
  foreach(level ${isa_levels})
    add_library(kernels_${level} OBJECT ${isa_sources})
    target_link_libraries(kernels_${level} PRIVATE rushlight_flags Python::Module)
    target_compile_definitions(kernels_${level} PRIVATE RL_ISA=${level})
    if(RUSHLIGHT_PCH)
      target_precompile_headers(kernels_${level} PRIVATE csrc/core/pointwise.h)
    endif()
    target_compile_options(kernels_${level} PRIVATE -ftree-vectorize -fvect-cost-model=dynamic ${isa_flags_${level}})
    list(APPEND isa_objects kernels_${level})
  endforeach()
endif()
