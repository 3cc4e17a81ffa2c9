# Flags of every source file, and the libraries that the extension needs and carries along.

add_library(rushlight_flags INTERFACE)
target_include_directories(rushlight_flags INTERFACE "${CMAKE_SOURCE_DIR}/csrc")
target_compile_options(rushlight_flags INTERFACE
  -Wall -Wextra -ffunction-sections -fdata-sections -fno-math-errno -fno-trapping-math -ffp-contract=off)
if(RUSHLIGHT_SANITIZE)
  # -O1: checked code is large, and half of the build's time is its optimization
  target_compile_options(rushlight_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -O1 -g1)
  target_link_options(rushlight_flags INTERFACE -fsanitize=address,undefined)
endif()

# Wheels put their CMake files in the environment's prefix or inside their package, where find_package does not look.
function(locate_package_config distribution config result)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "
import importlib.metadata as m, os, sys
try: found = [str(f.locate()) for f in m.files('${distribution}') if f.name == '${config}']
except m.PackageNotFoundError: found = []
print(os.path.dirname(os.path.realpath(found[0])) if found else '', end='')"
    OUTPUT_VARIABLE folder COMMAND_ERROR_IS_FATAL ANY)
  if(folder)
    set(${result} "${folder}" CACHE PATH "Folder of ${config}")
  endif()
endfunction()

# Copies a library under the name by which it is asked for at run time, without its symbol table.
function(bundle_library file name)
  file(REAL_PATH "${file}" source)
  set(target "${library_dir}/${name}")
  file(MAKE_DIRECTORY "${library_dir}")
  if(NOT EXISTS "${target}" OR "${source}" IS_NEWER_THAN "${target}")
    configure_file("${source}" "${target}" COPYONLY)
    if(CMAKE_STRIP)
      execute_process(COMMAND "${CMAKE_STRIP}" --strip-unneeded "${target}")
    endif()
  endif()
  set(bundled_libraries ${bundled_libraries} "${target}" PARENT_SCOPE)
endfunction()

add_library(rushlight_libraries INTERFACE)
set(bundled_libraries)

locate_package_config(scipy-openblas32 OpenBLASConfig.cmake OpenBLAS_DIR)
find_package(OpenBLAS CONFIG REQUIRED)
get_target_property(openblas_file OpenBLAS::OpenBLAS IMPORTED_LOCATION)
bundle_library("${openblas_file}" libscipy_openblas.so)
target_link_libraries(rushlight_libraries INTERFACE OpenBLAS::OpenBLAS)

if(RUSHLIGHT_ONEDNN AND NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  message(STATUS "oneDNN: not used on ${CMAKE_SYSTEM_PROCESSOR}")
  set(RUSHLIGHT_ONEDNN OFF)
endif()
if(RUSHLIGHT_ONEDNN)
  locate_package_config(onednn-devel-cpu-gomp dnnl-config.cmake dnnl_DIR)
  find_package(dnnl 3.2 CONFIG REQUIRED)
  get_target_property(dnnl_file DNNL::dnnl IMPORTED_LOCATION_RELEASE)
  bundle_library("${dnnl_file}" libdnnl.so.3)
  target_link_libraries(rushlight_libraries INTERFACE DNNL::dnnl)
  target_compile_definitions(rushlight_flags INTERFACE RL_HAVE_ONEDNN=1)
else()
  target_compile_definitions(rushlight_flags INTERFACE RL_HAVE_ONEDNN=0)
endif()

execute_process(
  COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=libgomp.so.1
  OUTPUT_VARIABLE gomp_file OUTPUT_STRIP_TRAILING_WHITESPACE)
if(IS_ABSOLUTE "${gomp_file}")
  bundle_library("${gomp_file}" libgomp.so.1)
endif()
target_link_libraries(rushlight_libraries INTERFACE OpenMP::OpenMP_CXX)
