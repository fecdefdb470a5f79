# SPDX-License-Identifier: GPL-2.0-only
# The program, and what others' controllers are built on: libxvtep.a, its headers, a CMake package
# and a pkg-config file.
include(CMakePackageConfigHelpers)

install(TARGETS xvtep xvtep-agent RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
configure_file(user/package/xvtep-agent.service xvtep-agent.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/xvtep-agent.service DESTINATION lib/systemd/system)
install(TARGETS xvtep_user EXPORT xvtep ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(header batch fdb ip listener mac neigh netns port result stats vtep xvtep)
  install(FILES ${CMAKE_SOURCE_DIR}/include/xvtep/${header}.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xvtep)
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xvtep)
install(EXPORT xvtep NAMESPACE xvtep:: FILE xvtep-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(user/package/xvtep-config.cmake.in ${CMAKE_BINARY_DIR}/xvtep-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/xvtep-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/xvtep-config.cmake ${CMAKE_BINARY_DIR}/xvtep-config-version.cmake
  DESTINATION ${package_dir})

string(JOIN ", " XVTEP_PC_REQUIRES ${XVTEP_DEPENDENCIES_LIST})
string(REGEX REPLACE "([><=]+)" " \\1 " XVTEP_PC_REQUIRES "${XVTEP_PC_REQUIRES}")
# Found from where the file is: a tree may be installed anywhere, and moved.
file(RELATIVE_PATH XVTEP_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" XVTEP_PC_PREFIX ${XVTEP_PC_PREFIX})
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_INCLUDEDIR BASE_DIRECTORY "\${prefix}"
  OUTPUT_VARIABLE XVTEP_PC_INCLUDEDIR)
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_LIBDIR BASE_DIRECTORY "\${prefix}"
  OUTPUT_VARIABLE XVTEP_PC_LIBDIR)
configure_file(user/package/xvtep.pc.in ${CMAKE_BINARY_DIR}/xvtep.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/xvtep.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
