# SPDX-License-Identifier: GPL-2.0-only
# The program, and what others' controllers are built on: libxvtep.a, its headers, a CMake package
# and a pkg-config file.
include(CMakePackageConfigHelpers)

# The man page and the completion script are printed from the tables of commands and options.
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/xvtep.8 ${CMAKE_BINARY_DIR}/xvtep.bash
  COMMAND xvtep help man > ${CMAKE_BINARY_DIR}/xvtep.8
  COMMAND xvtep completion bash > ${CMAKE_BINARY_DIR}/xvtep.bash DEPENDS xvtep VERBATIM)
add_custom_target(xvtep_man ALL
  DEPENDS ${CMAKE_BINARY_DIR}/xvtep.8 ${CMAKE_BINARY_DIR}/xvtep.bash)
install(FILES ${CMAKE_BINARY_DIR}/xvtep.bash RENAME xvtep
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${CMAKE_BINARY_DIR}/xvtep.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)

install(TARGETS xvtep xvtep-agent xvtep-lab RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(FILES ${XVTEP_LABS} DESTINATION ${CMAKE_INSTALL_DATADIR}/xvtep/labs)
# A unit names the program, whose place is known when it is installed: `cmake --install` takes --prefix.
foreach(unit xvtep-agent.service xvtep-adopt.service)
  install(CODE "
    set(CMAKE_INSTALL_FULL_SBINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SBINDIR}\")
    configure_file(\"${CMAKE_SOURCE_DIR}/user/package/${unit}\" \"${CMAKE_BINARY_DIR}/${unit}\" @ONLY)")
  install(FILES ${CMAKE_BINARY_DIR}/${unit} DESTINATION lib/systemd/system)
endforeach()
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS xvtep_user EXPORT xvtep ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/xvtep DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

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

# Removes what the last `cmake --install` of this build directory installed.
add_custom_target(uninstall
  COMMAND ${CMAKE_COMMAND} -DMANIFEST=${CMAKE_BINARY_DIR}/install_manifest.txt
    -P ${CMAKE_SOURCE_DIR}/user/package/uninstall.cmake)
