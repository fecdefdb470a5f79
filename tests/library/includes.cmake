# SPDX-License-Identifier: GPL-2.0-only
# Who may include what: cmake -DSOURCE=... -P includes.cmake
#   public headers   the C++ library and each other
#   cli, agent       of VTEPs nothing but the public headers
#   lab              the same; and user/net and user/base, as it makes devices of its own
#   all others       nothing of labs
file(GLOB public RELATIVE ${SOURCE}/include/xvtep ${SOURCE}/include/xvtep/*.h)
list(TRANSFORM public REPLACE "\\.h$" "")
list(JOIN public "|" public_names)
set(wrong "")

# Files that match the globs may not have an include that matches `forbidden` unless `allowed` too.
function(check what forbidden allowed)
  foreach(file ${ARGN})
    file(STRINGS ${file} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
      if(line MATCHES "${forbidden}" AND NOT line MATCHES "${allowed}")
        file(RELATIVE_PATH name ${SOURCE} ${file})
        set(wrong "${wrong}\n${name}: ${line}: ${what}")
      endif()
    endforeach()
  endforeach()
  set(wrong "${wrong}" PARENT_SCOPE)
endfunction()

foreach(name ${public})
  check("not for a public header" "." "<(xvtep/(${public_names})\\.h|[a-z_]+)>$"
    ${SOURCE}/include/xvtep/${name}.h)
endforeach()

file(GLOB cli ${SOURCE}/user/cli/*)
file(GLOB_RECURSE agent ${SOURCE}/user/agent/*)
file(GLOB_RECURSE lab ${SOURCE}/user/lab/*.h ${SOURCE}/user/lab/*.cc)
file(GLOB library ${SOURCE}/user/base/* ${SOURCE}/user/net/* ${SOURCE}/user/datapath/*
  ${SOURCE}/user/vtep/*)
set(inner "[<\"](user/(vtep|datapath)/|bpf/)")
check("not what include/xvtep/ offers" "${inner}" "^$" ${cli} ${agent})
check("not what include/xvtep/ offers" "${inner}" "bpf/abi/wire\\.h|<bpf/libbpf\\.h>" ${lab})
check("not for labs" "[<\"]user/(cli|agent)/" "^$" ${lab})
check("only for labs" "[<\"]user/net/" "^$" ${cli})
check("only for labs" "[<\"]user/lab/" "^$" ${cli} ${agent} ${library})

if(NOT cli OR NOT agent OR NOT lab OR NOT library)
  message(FATAL_ERROR "nothing to check")
endif()
if(wrong)
  message(FATAL_ERROR "${wrong}")
endif()
