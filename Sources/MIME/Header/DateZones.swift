/// Time zones by name, as old and foreign mailers write them.
enum DateZones {
  /// Minutes east of Greenwich by name in lower case.
  ///
  /// Those of RFC 5322 §4.3, and others that are met; a military letter means nothing there, so all
  /// but `z` are absent, and an unknown zone counts as Greenwich. Of names with two meanings the
  /// one that mail uses more stands here.
  static let offsets: [String: Int] = [
    "ut": 0, "gmt": 0, "utc": 0, "z": 0, "wet": 0,
    "edt": -240, "est": -300, "cdt": -300, "cst": -360, "mdt": -360, "mst": -420, "pdt": -420,
    "pst": -480, "akdt": -480, "akst": -540, "hst": -600, "adt": -180, "ast": -240, "brt": -180,
    "bst": 60, "west": 60, "cet": 60, "met": 60, "mez": 60, "cest": 120, "mest": 120, "mesz": 120,
    "eet": 120, "sast": 120, "eest": 180, "msk": 180, "msd": 240, "ist": 330, "hkt": 480,
    "sgt": 480, "awst": 480, "jst": 540, "kst": 540, "acst": 570, "aest": 600, "aedt": 660,
    "nzst": 720, "nzdt": 780,
  ]
}
