#!/usr/bin/env bash
# What the benchmarks compare with: nginx with its RTMP module, wrk, and Chromium for the viewer. Installs what is
# missing when it may (root, and a system with apt-get), otherwise says what to install. Never fails: a benchmark
# without its peer prints its own row alone.
set -euo pipefail

packages=()
has() { command -v "$1" >/dev/null 2>&1; }
has nginx || [ -x /usr/sbin/nginx ] || packages+=(nginx-light)
[ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || packages+=(libnginx-mod-rtmp)
[ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || packages+=(libnginx-mod-nchan)
[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || packages+=(libnginx-mod-http-lua)
has wrk || packages+=(wrk)
has chromium || has chromium-browser || has google-chrome || packages+=(chromium)
has ffmpeg || packages+=(ffmpeg)
[ ${#packages[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && has apt-get; then
  echo "Installing what the benchmarks compare with: ${packages[*]}" >&2
  # RUNLEVEL=1 keeps the package from starting a web server of its own.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  { apt-get update -qq </dev/null &&
    apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null >/dev/null; } ||
    echo "They could not be installed; the rows that need them are left out." >&2
else
  echo "Rows that need ${packages[*]} are left out. On Debian and Ubuntu:" >&2
  echo "  sudo apt-get install ${packages[*]}" >&2
fi
