# SPDX-License-Identifier: GPL-2.0-only
# Removes the files that an install manifest lists, and the directories that are empty without them:
#   cmake -DMANIFEST=FILE -P uninstall.cmake
if(NOT EXISTS "${MANIFEST}")
  message(FATAL_ERROR "uninstall: ${MANIFEST} is missing: nothing was installed from this build directory")
endif()
file(STRINGS "${MANIFEST}" files)
foreach(file IN LISTS files)
  message(STATUS "Removing $ENV{DESTDIR}${file}")
  file(REMOVE "$ENV{DESTDIR}${file}")
endforeach()
foreach(file IN LISTS files)
  cmake_path(GET file PARENT_PATH directory)
  # Only a directory of our own, below a component called xvtep, is removed.
  while(directory MATCHES "/xvtep(/|$)")
    file(GLOB left "$ENV{DESTDIR}${directory}/*")
    if(left)
      break()
    endif()
    file(REMOVE_RECURSE "$ENV{DESTDIR}${directory}")
    cmake_path(GET directory PARENT_PATH directory)
  endwhile()
endforeach()
