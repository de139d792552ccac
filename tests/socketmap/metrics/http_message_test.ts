import {
  endOfHead,
  formatAnswer,
  parseRequest,
} from "../../../lib/socketmap/metrics/http_message.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("endOfHead() is behind the first empty line", () => {
  const table: [string, number][] = [
    ["", -1],
    ["GET / HTTP/1.0\r\n", -1],
    ["GET / HTTP/1.0\r\n\r", -1],
    ["GET / HTTP/1.0\r\n\r\n", 18],
    ["GET / HTTP/1.0\r\n\r\nmore\r\n\r\n", 18],
    ["GET / HTTP/1.0\n\n", 16],
  ];
  for (const [head, end] of table) assertEquals(endOfHead(head), end, head);
});

Deno.test("parseRequest() takes HTTP/1, and nothing else", () => {
  const request = (path: string, accept?: string, method = "GET") => ({
    method,
    path,
    accept,
  });
  const table: [string, ReturnType<typeof parseRequest>][] = [
    ["GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", request("/metrics")],
    ["GET /metrics HTTP/1.1\nhost:a\n\n", request("/metrics")],
    ["GET /metrics HTTP/1.0\r\n\r\n", request("/metrics")],
    ["GET /m?x=/y#z HTTP/1.0\r\n\r\n", request("/m")],
    ["GET http://a:1/m?x HTTP/1.1\r\nHost: a\r\n\r\n", request("/m")],
    ["GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", request("/")],
    ["HEAD / HTTP/1.0\r\n\r\n", request("/", undefined, "HEAD")],
    ["OPTIONS * HTTP/1.0\r\n\r\n", request("*", undefined, "OPTIONS")],
    [
      "GET / HTTP/1.0\r\nACCEPT: text/plain\r\nX-Y: \xff\t z\r\nAccept: b\r\n\r\n",
      request("/", "text/plain,b"),
    ],
    ["GET / HTTP/1.0\r\nEmpty:\r\n\r\n", request("/")],
    // Host is required once, but not by HTTP/1.0.
    ["GET / HTTP/1.1\r\n\r\n", undefined],
    ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", undefined],
    ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", undefined],
    ["PRI * HTTP/2.0\r\n\r\n", undefined],
    ["GET / HTTP/1.10\r\n\r\n", undefined],
    ["GET /\r\n\r\n", undefined],
    ["GET  / HTTP/1.0\r\n\r\n", undefined],
    ["GET / x HTTP/1.0\r\n\r\n", undefined],
    ["GET /\xe4 HTTP/1.0\r\n\r\n", undefined],
    ["GET / HTTP/1.0 \r\n\r\n", undefined],
    [" GET / HTTP/1.0\r\n\r\n", undefined],
    ["get: / HTTP/1.0\r\n\r\n", undefined],
    ["GET / HTTP/1.0\r\nno header\r\n\r\n", undefined],
    ["GET / HTTP/1.0\r\n: no name\r\n\r\n", undefined],
    ["GET / HTTP/1.0\r\nName : space\r\n\r\n", undefined],
    ["GET / HTTP/1.0\r\nA: b\r\n goes on\r\n\r\n", undefined],
    ["GET / HTTP/1.0\r\nA: b\rc\r\n\r\n", undefined],
    ["GET / HTTP/1.0\r\nA: b\0c\r\n\r\n", undefined],
  ];
  for (const [head, expected] of table) {
    assertEquals(parseRequest(head), expected, head);
  }
});

Deno.test("formatAnswer() writes the length in bytes, and no body for HEAD", () => {
  const answer = { status: 405, headers: { Allow: "GET" }, body: "ü\n" };
  const head = "HTTP/1.1 405 Method Not Allowed\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n" +
    "Cache-Control: no-store\r\nConnection: close\r\nAllow: GET\r\n\r\n";
  const text = (isHead: boolean) =>
    new TextDecoder().decode(formatAnswer(answer, { isHead }));
  assertEquals(text(false), `${head}ü\n`);
  assertEquals(text(true), head);
});
