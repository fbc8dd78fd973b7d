# Fills the volume /secrets: draws what nobody need know, writes what the environment says. What is there already stays.
set -eu
umask 022
cd /secrets

put() {
    [ -s "$1" ] || printf '%s' "$2" >"$1"
}

put relay_token "$(head -c 32 /dev/urandom | sha256sum | cut -c 1-64)"
put grafana_password "$(head -c 32 /dev/urandom | sha256sum | cut -c 1-32)"
put dingtalk_url "$DINGTALK_URL"
put dingtalk_secret "$DINGTALK_SECRET"
put wecom_url "$WECOM_URL"
put feishu_url "$FEISHU_URL"
put feishu_secret "$FEISHU_SECRET"
put slack_url "$SLACK_URL"
put smtp_password "$SMTP_PASSWORD"
