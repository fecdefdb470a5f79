# SPDX-License-Identifier: GPL-2.0-only
# Writes a header with the commit and its date, if they are not what the header says already:
#   cmake -DSOURCE=DIRECTORY -DOUT=HEADER -P commit.cmake
# Both are empty where there is no git, or no repository.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git describe --always --dirty --exclude=* WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
execute_process(COMMAND git log -1 --format=%cs WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
file(CONFIGURE OUTPUT ${OUT} CONTENT "// Written by user/package/commit.cmake.
#define XVTEP_COMMIT \"${commit}\"
#define XVTEP_DATE \"${date}\"
")
