# SPDX-License-Identifier: GPL-2.0-only
# Writes a source with builtin_labs(): cmake -DOUT=FILE -DLABS=DIRECTORY -P embed.cmake
file(GLOB files ${LABS}/*.json)
list(SORT files)
set(source "// Generated from user/lab/labs by user/lab/embed.cmake.\n#include \"user/lab/labs.h\"\n\n")
string(APPEND source "namespace xvtep {\n\nnamespace {\n\nconstexpr BuiltInLab labs[] = {\n")
foreach(file IN LISTS files)
  cmake_path(GET file STEM name)
  file(READ ${file} text)
  string(APPEND source "{\"${name}\", R\"lab(${text})lab\"},\n")
endforeach()
string(APPEND source "};\n\n} // namespace\n\n")
string(APPEND source "std::span<const BuiltInLab> builtin_labs()\n{\n    return labs;\n}\n\n} // namespace xvtep\n")
file(WRITE ${OUT} "${source}")
