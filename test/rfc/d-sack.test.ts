/** What arrived twice is told to the sender: the six worked examples of RFC 2883, section 4. */
import { accepted, rule, SACK, withSack } from "./wire.ts";

const TWO_IN_ORDER = `
      +0 < . 1:501(500) ack 1 win 65535
      +0 < . 501:1001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1001`;

rule(
  "SK-8: a segment that was here before is the first block (2883 4.1, examples 1 to 3)",
  accepted(
    `${TWO_IN_ORDER}
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1001 <nop,nop,sack 1:501>`,
    SACK,
  ),
  accepted(
    `${TWO_IN_ORDER}
      +0 < . 1501:2001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1001 <nop,nop,sack 1501:2001>
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1001 <nop,nop,sack 1:501 1501:2001>
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1001 <nop,nop,sack 1501:2001>`,
    SACK,
  ),
  accepted(
    `
      +0 < . 501:1001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 501:1001>
      +0 < . 1001:1501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 501:1501>
      +0 < . 1001:1501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:1501 501:1501>`,
    SACK,
  ),
  accepted(
    `
      +0 < . 1:501(500) ack 1 win 65535
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501`,
    { options: "mss 1000" },
  ),
);

rule(
  "SK-20: of a segment that was here in part the first part is told, and once (2883 4.2, 4 to 6)",
  accepted(
    `
      +0 < . 1001:1501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:1501>
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501 <nop,nop,sack 1001:1501>
      +0 < . 1:1001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1501 <nop,nop,sack 1:501>`,
    SACK,
  ),
  // It acknowledges something as well.
  accepted(
    `
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0 < . 1:501(500) ack 1 win 65535
      +0 < . 1:1001(1000) ack 101 win 65535
      +0 > . 101:101(0) ack 1001 <nop,nop,sack 1:501>`,
    SACK,
  ),
  withSack(
    `
      +0 < . 2001:2501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2001:2501>
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501 <nop,nop,sack 2001:2501>
      +0 < . 1001:1501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501 <nop,nop,sack 1001:1501 2001:2501>
      +0 < . 1:1501(1500) ack 1 win 65535
      +0 > . 1:1(0) ack 1501 <nop,nop,sack 1:501 2001:2501>`,
  ),
  withSack(
    `
      +0 < . 2501:3001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2501:3001>
      +0 < . 501:1001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 501:1001 2501:3001>
      +0 < . 1501:2001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1501:2001 501:1001 2501:3001>
      +0 < . 501:2001(1500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 501:1001 501:2001 2501:3001>
      +0 < . 2501:3001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2501:3001 2501:3001 501:2001>`,
  ),
  accepted(
    `
      +0 < . 1001:1501(500) ack 1 win 65535 <nop,nop,TS val 5100 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100,nop,nop,sack 1001:1501>
      +0 < . 501:1501(1000) ack 1 win 65535 <nop,nop,TS val 5100 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100,nop,nop,sack 1001:1501 501:1501>`,
    {
      options: "mss 1000,sackOK,TS val 5000 ecr 0",
      ack: "nop,nop,TS val 5100 ecr 100",
    },
  ),
);
