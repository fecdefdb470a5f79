# SPDX-License-Identifier: GPL-2.0-only
# Labs: networks of namespaces, as examples and for tests. They are a program of their own, which
# nothing else of the product knows but `xvtep lab`, which runs it.
xvtep_add_skeleton(xvtep_lab_skeleton ${CMAKE_SOURCE_DIR}/user/lab/lab_vlan.bpf.c)

file(GLOB XVTEP_LABS CONFIGURE_DEPENDS user/lab/labs/*.json)
set(embedded_labs ${CMAKE_CURRENT_BINARY_DIR}/embedded_labs.cc)
add_custom_command(OUTPUT ${embedded_labs}
  COMMAND ${CMAKE_COMMAND} -DOUT=${embedded_labs} -DLABS=${CMAKE_SOURCE_DIR}/user/lab/labs
    -P ${CMAKE_SOURCE_DIR}/user/lab/embed.cmake
  DEPENDS ${XVTEP_LABS} ${CMAKE_SOURCE_DIR}/user/lab/embed.cmake
  COMMENT "Embedding the labs" VERBATIM)

# Objects, as a library would leave out those checks that only register themselves (check.h).
file(GLOB XVTEP_LAB_SOURCES CONFIGURE_DEPENDS user/lab/*.cc user/lab/checks/*.cc)
list(FILTER XVTEP_LAB_SOURCES EXCLUDE REGEX "lab/main[.]cc$")
add_library(xvtep_lab OBJECT ${XVTEP_LAB_SOURCES} ${embedded_labs})
target_link_libraries(xvtep_lab PUBLIC xvtep_user xvtep_lab_skeleton nlohmann_json::nlohmann_json)
xvtep_compile_product(xvtep_lab)

# Sources that include the same headers are compiled as one, which takes half of the time. A source
# that is in no group is compiled alone.
set_target_properties(xvtep_lab PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
function(xvtep_lab_group name)
  list(TRANSFORM ARGN PREPEND user/lab/)
  list(TRANSFORM ARGN APPEND .cc)
  set_source_files_properties(${ARGN} PROPERTIES UNITY_GROUP ${name})
endfunction()
xvtep_lab_group(json json_reader output)
xvtep_lab_group(description description names values vtep_options)
xvtep_lab_group(nodes build check driver kernel_driver lab node xvtep_driver)
xvtep_lab_group(frames capture copies echo miss_log test_frame waiting)
xvtep_lab_group(system bridge_snapshot processes request_watch services state timeline)
file(GLOB XVTEP_LAB_CHECKS CONFIGURE_DEPENDS user/lab/checks/*.cc)
set(nth 0)
foreach(check IN LISTS XVTEP_LAB_CHECKS)
  math(EXPR group "${nth} / 14")
  math(EXPR nth "${nth} + 1")
  set_source_files_properties(${check} PROPERTIES UNITY_GROUP checks${group})
endforeach()

add_executable(xvtep-lab user/lab/main.cc)
target_link_libraries(xvtep-lab PRIVATE xvtep_lab)
