# SPDX-License-Identifier: GPL-2.0-only
# BPF objects and their skeleton headers. The depfile makes both follow every header they include.
find_program(XVTEP_CLANG NAMES clang-14 clang REQUIRED)
find_program(XVTEP_BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)

# <linux/types.h> wants asm/, which Debian keeps under the multiarch name.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch
  OUTPUT_VARIABLE bpf_multiarch OUTPUT_STRIP_TRAILING_WHITESPACE)

# Target `name`: whoever links it can include "STEM.skel.h", made from the source STEM.bpf.c.
function(xvtep_add_skeleton name source)
  cmake_path(GET source STEM stem)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/bpf)
  set(object ${directory}/${stem}.bpf.o)
  set(skeleton ${directory}/${stem}.skel.h)
  file(MAKE_DIRECTORY ${directory})
  set(options -target bpf -mcpu=v3 -O2 -g -std=gnu11
    -Wall -Wextra -Wno-unused-parameter -Wno-address-of-packed-member
    -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${bpf_multiarch})
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${XVTEP_CLANG} ${options} $<$<BOOL:${XVTEP_WERROR}>:-Werror>
      -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
      -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    COMMENT "Compiling the BPF programs of ${stem}"
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${XVTEP_BPFTOOL} gen skeleton ${object} name ${stem}_bpf > ${skeleton}.new
    COMMAND ${CMAKE_COMMAND} -E rename ${skeleton}.new ${skeleton}
    DEPENDS ${object}
    COMMENT "Generating the BPF skeleton of ${stem}"
    VERBATIM)
  # Never built: it puts the source into compile_commands.json, which editors and clang-tidy read.
  add_library(${name}_for_editors OBJECT EXCLUDE_FROM_ALL ${source})
  target_compile_options(${name}_for_editors PRIVATE ${options})
  add_custom_target(${name}_header DEPENDS ${skeleton})
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_header)
  target_include_directories(${name} SYSTEM INTERFACE ${directory})
endfunction()

xvtep_add_skeleton(xvtep_skeleton ${CMAKE_SOURCE_DIR}/bpf/xvtep.bpf.c)
xvtep_add_skeleton(xvtep_adopt_skeleton ${CMAKE_SOURCE_DIR}/bpf/adopt.bpf.c)
