# SPDX-License-Identifier: GPL-2.0-only
# Writes README.md's C++ program to OUT: cmake -DREADME=... -DOUT=... -P extract.cmake
file(READ ${README} text)
string(FIND "${text}" "```cpp\n" from)
if(from EQUAL -1)
  message(FATAL_ERROR "README.md has no C++ program")
endif()
math(EXPR from "${from} + 7")
string(SUBSTRING "${text}" ${from} -1 text)
string(FIND "${text}" "\n```" size)
string(SUBSTRING "${text}" 0 ${size} text)
file(WRITE ${OUT} "${text}\n")
