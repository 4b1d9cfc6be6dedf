import { ACCESS_TOKEN } from './load.ts';

/**
 * A configuration of nginx that answers every POST with 200, in one process, in the foreground: as APNs with an
 * `apns-id`, as FCM with a name in JSON, as Google with an access token.
 */
export function nginxConfig(about: {
  servers: readonly { port: number; streams: number }[];
  /** Of certificate and key, both in one file. */
  certificate: string;
}): string {
  const { servers, certificate } = about;
  return `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
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
  ssl_certificate "${certificate}";
  ssl_certificate_key "${certificate}";
  # It counts the streams that have ended in eight bits, and with more than 255 at a time forgets to reuse their
  # nodes. In its usual 32 lists every request would soon cost more than the one before.
  http2_streams_index_size 65536;
${servers.map(server).join('')}}
`;
}

/**
 * A "return" alone would answer before the payload is read, and reset each stream. To be mirrored it must be read; what
 * would then serve a picture refuses a POST, and that is turned into the answer.
 */
function server({ port, streams }: { port: number; streams: number }): string {
  return `  server {
    listen 127.0.0.1:${port} ssl http2;
    http2_max_concurrent_streams ${streams};
    mirror /read;
    location / {
      error_page 405 =200 @apns;
      empty_gif;
    }
    location /v1/ {
      error_page 405 =200 @fcm;
      empty_gif;
    }
    location = /token {
      error_page 405 =200 @token;
      empty_gif;
    }
    location = /read {
      internal;
      mirror off;
      return 204;
    }
    location @apns {
      add_header apns-id $answered_id;
      return 200 '';
    }
    location @fcm {
      default_type application/json;
      return 200 '{"name":"projects/p/messages/$request_id"}';
    }
    location @token {
      default_type application/json;
      return 200 '{"access_token":"${ACCESS_TOKEN}","expires_in":3599,"token_type":"Bearer"}';
    }
  }
`;
}
