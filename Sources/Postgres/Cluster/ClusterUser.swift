import Glibc

/// The user that the server runs as: we, or an unprivileged one where we are root.
struct ClusterUser: Sendable {
  let name: String
  let uid: UInt32
  let gid: UInt32
  /// Whether it is the user that we are.
  let isCurrent: Bool

  /// The user to run as; PostgreSQL refuses to run as root.
  static func current() throws(EmbeddedClusterError) -> ClusterUser {
    let uid = geteuid()
    if uid != 0 { return ClusterUser(name: "#\(uid)", uid: uid, gid: getegid(), isCurrent: true) }
    for name in ["postgres", "nobody"] {
      if let entry = unsafe getpwnam(name) {
        return ClusterUser(
          name: name,
          uid: unsafe entry.pointee.pw_uid,
          gid: unsafe entry.pointee.pw_gid,
          isCurrent: false
        )
      }
    }
    throw .failed(step: "choosing a user", output: "neither postgres nor nobody exists")
  }

  /// What comes before a command so that it runs as this user.
  var prefix: [String] {
    isCurrent
      ? []
      : [
        "setpriv", "--reuid=\(uid)", "--regid=\(gid)", "--clear-groups", "--inh-caps=-all", "--",
      ]
  }

  /// Checks that the user may enter every directory above `path`, which is absolute.
  func checkCanReach(_ path: String) throws(EmbeddedClusterError) {
    if isCurrent { return }
    var directory = ""
    for name in path.split(separator: "/").dropLast() {
      directory += "/\(name)"
      var status = stat()
      guard unsafe stat(directory, &status) == 0, mayEnter(status) else {
        throw .notEnterable(directory: directory, user: self.name)
      }
    }
  }

  private func mayEnter(_ status: stat) -> Bool {
    if status.st_uid == uid { return status.st_mode & 0o100 != 0 }
    if status.st_gid == gid { return status.st_mode & 0o010 != 0 }
    return status.st_mode & 0o001 != 0
  }
}
