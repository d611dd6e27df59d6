// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: file.h
//
// Files by name, as flows: OpenFile() reads one, CreateFile() writes one.
//
//   absl::StatusOr<std::unique_ptr<Flow>> from = OpenFile("a");
//   if (!from.ok()) return from.status();
//   absl::StatusOr<std::unique_ptr<Flow>> to = CreateFile("b");
//   if (!to.ok()) return to.status();
//   absl::Status status = Copy(**from, **to).status;
//   if (status.ok()) status = (*to)->Close();
//   return status;  // Ok: the system has all of it
//
// A file cannot show that it was cut: after an error, an Abort() or a process
// that was killed, it holds what was written so far. To let others see all of
// it or nothing, write to another name and rename(2) it after Close().
//
// When not to use it: to read here and there, or to read and write one file.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOW_FILE_H_
#define FLOW_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

namespace flow {

// OpenFileOptions
struct OpenFileOptions {
  // Where to begin, in bytes from the start of the file. Beyond its end there
  // is nothing to read.
  int64_t offset = 0;
};

// OpenFile()
//
// Returns a flow that reads the file `path`; a write to it is Closed. Its
// errors name the path. `*size`, if given, becomes how many bytes all of that
// file has now, or -1 of what has no size (a FIFO, a device). Asking by `path`
// could find another file, which has come in its place.
//
//  * kInvalidArgument: `path` is empty, has a byte of 0 or is a folder or a
//    socket; or `offset` is negative, or there is no such place (in a pipe, or
//    in a file that could not be so large).
//  * kNotFound: there is no such file.
//  * kPermissionDenied: this process may not read it.
//  * kResourceExhausted: there was no descriptor or memory.
//  * Others come from the system.
//
// This never waits. Of a FIFO that nobody writes to yet, the first Read waits
// for the first writer, and has a deadline.
absl::StatusOr<std::unique_ptr<Flow>> OpenFile(
    absl::string_view path, const OpenFileOptions& options = {},
    int64_t* size = nullptr);

// CreateFileOptions
struct CreateFileOptions {
  // The rights of a new file: 0 to 0777. The umask takes its part away.
  mode_t mode = 0666;
  // Keeps what the file holds, and writes each time to its end. By default an
  // existing file is emptied at once.
  bool append = false;
  // Makes the file, or fails if there is one.
  bool exclusive = false;
  // Close(), or Shutdown(kWrite), returns Ok only when the disk holds what was
  // written (fsync(2)), however long that takes: no deadline ends it. The name
  // of a new file may still be lost if the machine stops. By default the system
  // writes it in its own time.
  bool sync = false;
};

// CreateFile()
//
// Returns a flow that writes to the file `path`, which is made if there is
// none; a Read of it is end-of-file. Its errors name the path. A write for
// which the disk has no room is kResourceExhausted, at the latest in Close().
//
//  * kInvalidArgument: `path` is empty, has a byte of 0 or is a folder or a
//    socket; or `mode` is invalid.
//  * kNotFound: there is no such folder.
//  * kAlreadyExists: `exclusive` is set, and there is something.
//  * kPermissionDenied: this process may not write to it, or not make it.
//  * kUnavailable: it is a FIFO that nobody reads. (This never waits.)
//  * kResourceExhausted: there was no descriptor, memory or room.
//  * Others come from the system.
absl::StatusOr<std::unique_ptr<Flow>> CreateFile(
    absl::string_view path, const CreateFileOptions& options = {});

}  // namespace flow

#endif  // FLOW_FILE_H_
