#include <krb5.h>
#include <profile.h>
