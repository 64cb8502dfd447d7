// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @notice A member of the fee pool that tries to withdraw again while it is paid.
contract Thief {
    address private immutable pool;

    constructor(address pool_) {
        pool = pool_;
    }

    function act(bytes calldata data) external payable {
        (bool done,) = pool.call{value: msg.value}(data);
        require(done);
    }

    receive() external payable {
        (bool done,) = pool.call(abi.encodeWithSignature("withdraw()"));
        require(!done);
    }
}
