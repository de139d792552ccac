// Defaults of Postfix 3.7, and of later versions for parameters that are newer, as
// far as the checks need them. A test compares them with `postconf -d`.

/** Parameters whose tables proxymap(8) opens unless main.cf says otherwise. */
const readByProxy = "local_recipient_maps mydestination virtual_alias_maps " +
  "virtual_alias_domains virtual_mailbox_maps virtual_mailbox_domains " +
  "relay_recipient_maps relay_domains canonical_maps sender_canonical_maps " +
  "recipient_canonical_maps relocated_maps transport_maps mynetworks " +
  "smtpd_sender_login_maps sender_bcc_maps recipient_bcc_maps smtp_generic_maps " +
  "lmtp_generic_maps alias_maps smtpd_client_restrictions " +
  "smtpd_helo_restrictions smtpd_sender_restrictions smtpd_relay_restrictions " +
  "smtpd_recipient_restrictions smtpd_etrn_restrictions " +
  "address_verify_sender_dependent_default_transport_maps " +
  "address_verify_sender_dependent_relayhost_maps address_verify_transport_maps " +
  "fallback_transport_maps lmtp_discard_lhlo_keyword_address_maps " +
  "lmtp_pix_workaround_maps lmtp_sasl_password_maps lmtp_tls_policy_maps " +
  "mailbox_command_maps mailbox_transport_maps " +
  "postscreen_discard_ehlo_keyword_address_maps rbl_reply_maps " +
  "sender_dependent_default_transport_maps sender_dependent_relayhost_maps " +
  "smtp_discard_ehlo_keyword_address_maps smtp_pix_workaround_maps " +
  "smtp_sasl_password_maps smtp_tls_policy_maps " +
  "smtpd_discard_ehlo_keyword_address_maps smtpd_milter_maps virtual_gid_maps " +
  "virtual_uid_maps local_login_sender_maps postscreen_reject_footer_maps " +
  "smtpd_reject_footer_maps tls_server_sni_maps tlsproxy_client_policy_maps " +
  "default_delivery_status_filter lmtp_delivery_status_filter " +
  "lmtp_dns_reply_filter lmtp_reply_filter local_delivery_status_filter " +
  "pipe_delivery_status_filter postscreen_command_filter " +
  "smtp_delivery_status_filter smtp_dns_reply_filter smtp_reply_filter " +
  "smtpd_command_filter smtpd_dns_reply_filter virtual_delivery_status_filter " +
  "body_checks header_checks lmtp_body_checks lmtp_header_checks " +
  "lmtp_mime_header_checks lmtp_nested_header_checks milter_header_checks " +
  "mime_header_checks nested_header_checks smtp_body_checks smtp_header_checks " +
  "smtp_mime_header_checks smtp_nested_header_checks " +
  // Since Postfix 3.8.
  "authorized_flush_users authorized_mailq_users authorized_submit_users " +
  "debug_peer_list fast_flush_domains lmtp_connection_cache_destinations " +
  "lmtp_tls_loglevel_maps local_header_rewrite_clients masquerade_exceptions " +
  "postscreen_access_list postscreen_allowlist_interfaces " +
  "postscreen_forbidden_commands postscreen_tls_loglevel_maps " +
  "qmqpd_authorized_clients smtp_connection_cache_destinations " +
  "smtp_requiretls_policy smtp_sasl_mechanism_filter smtp_tls_loglevel_maps " +
  "smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts " +
  "smtpd_authorized_xforward_hosts smtpd_client_event_limit_exceptions " +
  "smtpd_forbidden_commands smtpd_log_access_permit_actions " +
  "smtpd_reject_filter_maps smtpd_sasl_exceptions_networks " +
  "smtpd_sasl_mechanism_filter smtpd_tls_loglevel_maps";

/** The defaults, `$` not expanded. */
export const postfixDefaults: Readonly<Record<string, string>> = {
  address_verify_cache_cleanup_interval: "12h",
  address_verify_map: "btree:$data_directory/verify_cache",
  address_verify_negative_expire_time: "3d",
  address_verify_positive_expire_time: "31d",
  address_verify_sender_dependent_default_transport_maps:
    "$sender_dependent_default_transport_maps",
  address_verify_sender_dependent_relayhost_maps:
    "$sender_dependent_relayhost_maps",
  address_verify_transport_maps: "$transport_maps",
  lmtp_delivery_status_filter: "$default_delivery_status_filter",
  local_delivery_status_filter: "$default_delivery_status_filter",
  local_recipient_maps: "proxy:unix:passwd.byname $alias_maps",
  local_transport: "local:$myhostname",
  mime_header_checks: "$header_checks",
  nested_header_checks: "$header_checks",
  pipe_delivery_status_filter: "$default_delivery_status_filter",
  postscreen_bare_newline_ttl: "30d",
  postscreen_cache_cleanup_interval: "12h",
  postscreen_cache_map: "btree:$data_directory/postscreen_cache",
  postscreen_discard_ehlo_keyword_address_maps:
    "$smtpd_discard_ehlo_keyword_address_maps",
  postscreen_dnsbl_max_ttl:
    "${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h",
  postscreen_dnsbl_min_ttl: "60s",
  postscreen_greet_ttl: "1d",
  postscreen_non_smtp_command_ttl: "30d",
  postscreen_pipelining_ttl: "30d",
  postscreen_reject_footer_maps: "$smtpd_reject_footer_maps",
  proxy_read_maps: readByProxy.replaceAll(/\w+/g, "$$$&"),
  proxy_write_maps: "$smtp_sasl_auth_cache_name $lmtp_sasl_auth_cache_name " +
    "$address_verify_map $postscreen_cache_map",
  smtp_delivery_status_filter: "$default_delivery_status_filter",
  tlsproxy_client_policy_maps:
    "${tlsproxy_client_policy:$smtp_tls_policy_maps}",
  virtual_alias_domains: "$virtual_alias_maps",
  virtual_alias_maps: "$virtual_maps",
  virtual_delivery_status_filter: "$default_delivery_status_filter",
  virtual_mailbox_domains: "$virtual_mailbox_maps",
  virtual_transport: "virtual",
};
