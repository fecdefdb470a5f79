#SPDX - License - Identifier : GPL - 2.0 - only
#Each header of the BPF programs compiles by itself, so it includes what it uses:
#cmake - DSOURCE = ... - DCLANG = ... - DMULTIARCH = ... - P headers.cmake
file(GLOB headers ${SOURCE}/bpf/*.h ${SOURCE}/bpf/abi/*.h)
if(NOT headers)
  message(FATAL_ERROR "nothing to check")
endif()
foreach(header IN LISTS headers)
  execute_process(
    COMMAND ${CLANG} -target bpf -mcpu=v3 -std=gnu11 -fsyntax-only -Wall -Wextra -Werror
      -Wno-unused-parameter -Wno-unused-function -Wno-address-of-packed-member
      -I${SOURCE}/include -I${SOURCE} -isystem /usr/include/${MULTIARCH} -x c ${header}
    RESULT_VARIABLE failed ERROR_VARIABLE message)
  if(failed)
    set(wrong "${wrong}\n${message}")
  endif()
endforeach()
if(wrong)
  message(FATAL_ERROR "${wrong}")
endif()
