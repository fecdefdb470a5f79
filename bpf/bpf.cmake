# SPDX-License-Identifier: GPL-2.0-only
# The BPF object and its skeleton header. The depfile makes both follow every header they include.
find_program(XVTEP_CLANG NAMES clang-14 clang REQUIRED)
find_program(XVTEP_BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)

set(bpf_object ${CMAKE_BINARY_DIR}/bpf/xvtep.bpf.o)
set(bpf_skeleton ${CMAKE_BINARY_DIR}/bpf/xvtep.skel.h)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bpf)

# <linux/types.h> wants asm/, which Debian keeps under the multiarch name.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch
  OUTPUT_VARIABLE bpf_multiarch OUTPUT_STRIP_TRAILING_WHITESPACE)

add_custom_command(
  OUTPUT ${bpf_object}
  COMMAND ${XVTEP_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11
    -Wall -Wextra -Wno-unused-parameter -Wno-address-of-packed-member $<$<BOOL:${XVTEP_WERROR}>:-Werror>
    -I${CMAKE_SOURCE_DIR}/include -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${bpf_multiarch}
    -MD -MF ${bpf_object}.d -MT ${bpf_object}
    -c ${CMAKE_SOURCE_DIR}/bpf/xvtep.bpf.c -o ${bpf_object}
  DEPENDS ${CMAKE_SOURCE_DIR}/bpf/xvtep.bpf.c
  DEPFILE ${bpf_object}.d
  COMMENT "Compiling the BPF programs"
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_command(
  OUTPUT ${bpf_skeleton}
  COMMAND ${XVTEP_BPFTOOL} gen skeleton ${bpf_object} name xvtep_bpf > ${bpf_skeleton}.new
  COMMAND ${CMAKE_COMMAND} -E rename ${bpf_skeleton}.new ${bpf_skeleton}
  DEPENDS ${bpf_object}
  COMMENT "Generating the BPF skeleton"
  VERBATIM)
add_custom_target(xvtep_bpf_skeleton DEPENDS ${bpf_skeleton})

add_library(xvtep_skeleton INTERFACE)
add_dependencies(xvtep_skeleton xvtep_bpf_skeleton)
target_include_directories(xvtep_skeleton SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/bpf)
