# SPDX-License-Identifier: GPL-2.0-only
# Who may include what: cmake -DSOURCE=... -P includes.cmake
#   public headers   the C++ library and each other
#   cli, agent       of VTEPs nothing but the public headers
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
file(GLOB lab ${SOURCE}/user/cli/lab*)
file(GLOB_RECURSE agent ${SOURCE}/user/agent/*)
set(inner "[<\"](user/(vtep|datapath)/|bpf/)")
check("not what include/xvtep/ offers" "${inner}" "^$" ${cli} ${agent})
list(REMOVE_ITEM cli ${lab})
check("only for labs" "[<\"]user/(net|lab)/" "^$" ${cli})

if(NOT cli OR NOT agent)
  message(FATAL_ERROR "nothing to check")
endif()
if(wrong)
  message(FATAL_ERROR "${wrong}")
endif()
