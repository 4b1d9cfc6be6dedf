/** A configuration of nginx that answers every POST with 200 and an `apns-id`, in one process, in the foreground. */
export function nginxConfig(about: {
  port: number;
  /** Of certificate and key, both in one file. */
  certificate: string;
  streams: number;
}): string {
  const { port, certificate, streams } = about;
  return `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 512; }
http {
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $http_apns_id $answered_id {
    default $http_apns_id;
    '' $request_id;
  }
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate "${certificate}";
    ssl_certificate_key "${certificate}";
    http2_max_concurrent_streams ${streams};
    # It counts the streams that have ended in eight bits, and with more than 255 at a time forgets to reuse their
    # nodes. In its usual 32 lists every request would soon cost more than the one before.
    http2_streams_index_size 65536;
    add_header apns-id $answered_id;
    # A "return" alone would answer before the payload is read, and reset each stream. To be mirrored it must be read;
    # what would then serve a picture refuses a POST, and that is turned into the answer.
    location / {
      mirror /read;
      error_page 405 =200 @taken;
      empty_gif;
    }
    location = /read {
      internal;
      return 204;
    }
    location @taken {
      return 200 '';
    }
  }
}
`;
}
