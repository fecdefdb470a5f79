# SPDX-License-Identifier: GPL-2.0-only
# Writes the NTH C++ program of the document MANUAL to OUT:
# cmake -DMANUAL=docs/library.md -DNTH=1 -DOUT=program.cc -P extract.cmake
file(READ ${MANUAL} text)
foreach(n RANGE 1 ${NTH})
  string(FIND "${text}" "```cpp\n" from)
  if(from EQUAL -1)
    message(FATAL_ERROR "${MANUAL} has no C++ program ${n}")
  endif()
  math(EXPR from "${from} + 7")
  string(SUBSTRING "${text}" ${from} -1 text)
endforeach()
string(FIND "${text}" "\n```" size)
string(SUBSTRING "${text}" 0 ${size} text)
file(WRITE ${OUT} "${text}\n")
