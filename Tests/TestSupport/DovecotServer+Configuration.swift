import Foundation

extension DovecotServer {
  /// The server's whole configuration file.
  var configuration: String {
    let isRoot = getuid() == 0
    let user = isRoot ? "dovecot" : NSUserName()
    let login = isRoot ? "dovenull" : NSUserName()
    // Only root can chroot; otherwise every service that would is told not to.
    let chroot = isRoot ? "" : "chroot ="
    return [
      main(user: user, login: login), storage(isRoot: isRoot), authentication, kerberos, mailboxes,
      protocols, services(chroot: chroot), options.extraConfiguration, "",
    ].joined(separator: "\n")
  }

  private func main(user: String, login: String) -> String {
    """
    protocols = imap pop3 lmtp sieve
    listen = 127.0.0.1
    base_dir = \(directory.path)/run
    state_dir = \(directory.path)/state
    log_path = \(logFile)
    instance_name = restante-\(imapPort)
    default_internal_user = \(user)
    default_login_user = \(login)
    \(getuid() == 0 ? "" : "default_internal_group = \(getgid())")
    hostname = localhost
    postmaster_address = postmaster@\(Self.domain)
    sendmail_path = /bin/false
    ssl = yes
    ssl_cert = <\(certificates.certificateFile(options.certificate))
    ssl_key = <\(certificates.keyFile(options.certificate))
    ssl_min_protocol = TLSv1.2
    """
  }

  private func storage(isRoot: Bool) -> String {
    """
    first_valid_uid = 1
    mail_uid = \(isRoot ? 65534 : getuid())
    mail_gid = \(isRoot ? 65534 : getgid())
    mail_home = \(directory.path)/mail/%Lu
    mail_location = maildir:~/maildir
    mail_fsync = never
    mail_temp_dir = \(directory.path)/tmp
    mail_plugins = quota
    mail_max_userip_connections = 200
    mailbox_list_index = yes
    plugin {
      quota = maildir:User quota
      quota_rule = *:storage=20G
      sieve = file:~/sieve;active=~/.dovecot.sieve
    }
    """
  }

  private var authentication: String {
    """
    auth_mechanisms = \(options.mechanisms)\(options.realm == nil ? "" : " gssapi")
    auth_username_format = %Lu
    auth_default_realm = \(Self.domain)
    auth_failure_delay = 0
    auth_verbose = yes
    disable_plaintext_auth = \(options.allowsCleartextPasswords ? "no" : "yes")
    passdb {
      driver = passwd-file
      args = username_format=%Lu \(directory.path)/users
    }
    passdb {
      driver = oauth2
      mechanisms = xoauth2 oauthbearer
      args = \(directory.path)/oauth2.conf
    }
    userdb {
      driver = static
      args = uid=\(getuid() == 0 ? 65534 : getuid()) gid=\(getuid() == 0 ? 65534 : getgid()) \
    home=\(directory.path)/mail/%Lu
    }
    """
  }

  /// The auth process finds the realm by its environment.
  private var kerberos: String {
    guard let realm = options.realm else { return "" }
    return """
      import_environment = TZ CORE_OUTOFMEM CORE_ERROR KRB5_CONFIG=\(realm.configurationFile)
      auth_krb5_keytab = \(realm.keytab)
      auth_gssapi_hostname = localhost
      """
  }

  private var mailboxes: String {
    let special = ["Drafts", "Junk", "Trash", "Sent", "Archive"].map { name in
      """
        mailbox \(name) {
          special_use = \\\(name)
          auto = subscribe
        }
      """
    }
    return """
      namespace inbox {
        inbox = yes
        separator = \(options.delimiter)
        prefix = \(options.prefix)
      \(special.joined(separator: "\n"))
      }
      """
  }

  private var protocols: String {
    """
    protocol imap {
      mail_plugins = $mail_plugins imap_quota zlib imap_zlib
      imap_idle_notify_interval = 2 mins
      \(options.capabilities.map { "imap_capability = \($0)" } ?? "")
    }
    protocol lmtp {
      mail_plugins = $mail_plugins sieve
      auth_username_format = %Lu
    }
    """
  }

  private func services(chroot: String) -> String {
    """
    service imap-login {
      inet_listener imap {
        port = \(imapPort)
      }
      inet_listener imaps {
        port = \(imapsPort)
        ssl = yes
      }
      service_count = 0
      \(chroot)
    }
    service pop3-login {
      inet_listener pop3 {
        port = \(pop3Port)
      }
      inet_listener pop3s {
        port = \(pop3sPort)
        ssl = yes
      }
      service_count = 0
      \(chroot)
    }
    service managesieve-login {
      inet_listener sieve {
        port = \(sievePort)
      }
      service_count = 0
      \(chroot)
    }
    service lmtp {
      inet_listener lmtp {
        port = \(lmtpPort)
      }
    }
    service imap {
      process_limit = 1024
      service_count = 100
    }
    service anvil {
      client_limit = 4096
      \(chroot)
    }
    service stats {
      unix_listener stats-writer {
        mode = 0666
      }
      \(chroot)
    }
    service auth {
      client_limit = 4096
      unix_listener auth-userdb {
        mode = 0666
      }
      unix_listener auth-client {
        mode = 0666
      }
    }
    """
  }
}
